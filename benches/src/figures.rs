//! Many measurements of one thing, and what to tell of them.

use std::time::Duration;

/// The measurements of one thing, in milliseconds (or whatever was pushed).
#[derive(Debug, Clone, Default)]
pub struct Figures {
    sorted: Vec<f64>,
}

impl Figures {
    /// Adds a time, in milliseconds.
    pub fn add(&mut self, time: Duration) {
        self.push(time.as_secs_f64() * 1000.0);
    }

    /// Adds a figure of any unit.
    pub fn push(&mut self, value: f64) {
        let place = self.sorted.partition_point(|&other| other < value);
        self.sorted.insert(place, value);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The middle one: half were less, half were more. Unlike the mean it does not
    /// move when the machine was busy with something else once.
    pub fn median(&self) -> f64 {
        let middle = self.sorted.len() / 2;
        match (self.sorted.get(middle), self.sorted.len() % 2) {
            (Some(&upper), 0) => f64::midpoint(self.sorted[middle - 1], upper),
            (Some(&only), _) => only,
            (None, _) => f64::NAN,
        }
    }

    /// The least: what it costs when nothing disturbs.
    pub fn min(&self) -> f64 {
        self.sorted.first().copied().unwrap_or(f64::NAN)
    }

    /// The most.
    pub fn max(&self) -> f64 {
        self.sorted.last().copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        let mut figures = Figures::default();
        for value in [9.0, 1.0, 5.0] {
            figures.push(value);
        }
        assert_eq!((figures.min(), figures.median(), figures.max()), (1.0, 5.0, 9.0));
        figures.push(7.0);
        assert_eq!(figures.median(), 6.0);
    }
}
