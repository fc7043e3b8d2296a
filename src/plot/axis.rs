//! Axis of a figure: title, range, ticks, and the mapping from values to positions.

/// Linear or logarithmic axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// With the unit.
    pub title: String,
    pub from: f64,
    pub to: f64,
    /// Whether equal factors are equal distances.
    pub is_logarithmic: bool,
    /// Values with a grid line, and their text.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Returns a linear axis with ticks at the multiples of `step`.
    pub fn linear(title: &str, (from, to): (f64, f64), step: f64) -> Axis {
        let steps = (from / step).ceil() as i64..=(to / step).floor() as i64;
        // The font has no minus sign, so an en dash stands for it.
        let tick = |number: i64| (number as f64 * step, (number as f64 * step).to_string().replace('-', "–"));
        Axis { title: title.into(), from, to, is_logarithmic: false, ticks: steps.map(tick).collect() }
    }

    /// Returns a logarithmic axis with ticks at 1, 2 and 5 times each power of ten; `format_value` writes them.
    ///
    /// If these are more than six, only the powers of ten have ticks.
    pub fn logarithmic(title: &str, (from, to): (f64, f64), format_value: impl Fn(f64) -> String) -> Axis {
        let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
        let ticks_at = |factors: &'static [f64]| -> Vec<(f64, String)> {
            let values = powers.clone().flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
            let in_range = values.filter(|value| (from..=to).contains(value));
            in_range.map(|value| (value, format_value(value))).collect()
        };
        let ticks = ticks_at(&[1.0, 2.0, 5.0]);
        let ticks = if ticks.len() > 6 { ticks_at(&[1.0]) } else { ticks };
        Axis { title: title.into(), from, to, is_logarithmic: true, ticks }
    }

    /// Returns the position of `value` on the axis: 0 at `from`, 1 at `to`.
    pub fn position(&self, value: f64) -> f64 {
        if self.is_logarithmic {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic_axis_maps_factors_to_distances() {
        let axis = Axis::logarithmic("", (10.0, 1000.0), |value| value.to_string());
        assert!((axis.position(100.0) - 0.5).abs() < 1e-12);
        let ticks: Vec<f64> = axis.ticks.iter().map(|(value, _)| value.round()).collect();
        assert_eq!(ticks, [10.0, 100.0, 1000.0], "seven would be too many");
    }

    #[test]
    fn linear_axis_has_ticks_at_multiples_of_the_step() {
        let axis = Axis::linear("", (-1.2, 1.0), 1.0);
        assert_eq!(axis.ticks.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["–1", "0", "1"]);
    }
}
