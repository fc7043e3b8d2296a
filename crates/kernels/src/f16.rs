//! Half precision: numbers of 16 bits, widened exactly, and narrowed where nothing is lost.

/// The value of a number in half precision.
pub fn widen(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let value = u32::from(half & 0x7fff) << 13;
    let (lowest, highest) = (value < 1 << 23, value >= 31 << 23);
    // The exponent counts from 15 there and from 127 here; infinity and what is no number keep the largest.
    let value = value + ((127 - 15) << 23) + if highest { (127 - 15) << 23 } else { 0 };
    // Those with the lowest exponent have no leading one.
    let small = f32::from_bits(value + (1 << 23)) - f32::from_bits(113 << 23);
    f32::from_bits(sign | if lowest { small.to_bits() } else { value })
}

/// The same finite number in half precision, where there is one.
pub fn narrow(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let size = f32::from_bits(bits & 0x7fff_ffff);
    // With the leading one's place as in the smallest numbers the lowest bits are what half precision would keep.
    let small = (size + 0.5).to_bits() as u16;
    let large = ((bits & 0x7fff_ffff) >> 13).wrapping_sub((127 - 15) << 10) as u16;
    let half = sign | if size < 2f32.powi(-14) { small } else { large & 0x7fff };
    (widen(half).to_bits() == bits).then_some(half)
}

#[cfg(test)]
mod tests {
    use super::{narrow, widen};

    /// By the definition, in double precision.
    fn defined(half: u16) -> f64 {
        let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 0x3ff));
        let size = match exponent {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
        };
        if half & 0x8000 == 0 { size } else { -size }
    }

    #[test]
    #[cfg_attr(miri, ignore = "its own arithmetic is inexact on purpose, at random")]
    fn every_half_is_widened_as_it_is_defined_and_narrowed_to_itself() {
        for half in 0..=u16::MAX {
            let (wide, defined) = (widen(half), defined(half));
            if defined.is_nan() {
                assert!(wide.is_nan(), "{half:04x}: {wide}");
                continue;
            }
            assert_eq!((f64::from(wide), wide.is_sign_negative()), (defined, defined.is_sign_negative()), "{half:04x}");
            assert_eq!(narrow(wide), defined.is_finite().then_some(half), "{half:04x}: {wide}");
        }
    }

    #[test]
    fn what_half_precision_cannot_hold_is_not_narrowed() {
        let between = f32::from_bits(widen(0x3c01).to_bits() - 1);
        for value in [0.1, 65536.0, -65519.0, 1e-8, 2f32.powi(-25), -1e-30, f32::from_bits(1), between, f32::MAX] {
            assert_eq!(narrow(value), None, "{value}");
        }
    }
}
