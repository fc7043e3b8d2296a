//! From values to pixels.

/// An axis: its title with the unit, its ends, and where it is marked.
#[derive(Clone, Debug)]
pub struct Axis {
    pub title: String,
    pub from: f64,
    pub to: f64,
    /// Equal factors are equal distances.
    pub logarithmic: bool,
    /// Values with a line and a number.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Ticks at every multiple of `step`.
    pub fn linear(title: &str, (from, to): (f64, f64), step: f64) -> Axis {
        let steps = (from / step).ceil() as i64..=(to / step).floor() as i64;
        // A dash for the minus sign, which the font lacks.
        let tick = |at: i64| (at as f64 * step, (at as f64 * step).to_string().replace('-', "–"));
        Axis { title: title.into(), from, to, logarithmic: false, ticks: steps.map(tick).collect() }
    }

    /// Ticks at 1, 2 and 5 times each power of ten, or at the powers alone where that would be more than six; `named`
    /// writes them.
    pub fn logarithmic(title: &str, (from, to): (f64, f64), named: impl Fn(f64) -> String) -> Axis {
        let powers = from.log10().floor() as i32..=to.log10().ceil() as i32;
        let of = |factors: &'static [f64]| -> Vec<(f64, String)> {
            let values = powers.clone().flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
            let inside = values.filter(|value| (from..=to).contains(value));
            inside.map(|value| (value, named(value))).collect()
        };
        let ticks = of(&[1.0, 2.0, 5.0]);
        let ticks = if ticks.len() > 6 { of(&[1.0]) } else { ticks };
        Axis { title: title.into(), from, to, logarithmic: true, ticks }
    }

    /// Where `value` lies, 0 at `from` and 1 at `to`.
    pub fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            true => (value / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_factors_are_equal_distances_on_a_logarithmic_axis() {
        let axis = Axis::logarithmic("", (10.0, 1000.0), |value| value.to_string());
        assert!((axis.place(100.0) - 0.5).abs() < 1e-12);
        let ticks: Vec<f64> = axis.ticks.iter().map(|(value, _)| value.round()).collect();
        assert_eq!(ticks, [10.0, 100.0, 1000.0], "seven would be too many");
        let axis = Axis::linear("", (-1.2, 1.0), 1.0);
        assert_eq!(axis.ticks.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["–1", "0", "1"]);
    }
}
