//! The golden values, and numbers of either type.

use renorm::{AtLeast, Element, GroupOrder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// An element type of tensors, parameters and running statistics.
pub trait Number: Element + AtLeast<Self> + Default + PartialEq + std::fmt::Debug {
    /// Half a unit in the last place of 1.
    const ROUNDOFF: f64;
    /// The smallest number above 0.
    const TINY: f64;
    fn of(value: f64) -> Self;
    fn value(self) -> f64;
}

impl Number for f32 {
    const ROUNDOFF: f64 = f32::EPSILON as f64 / 2.0;
    const TINY: f64 = 1.401298464324817e-45;
    fn of(value: f64) -> Self {
        value as f32
    }
    fn value(self) -> f64 {
        self.into()
    }
}

impl Number for f64 {
    const ROUNDOFF: f64 = f64::EPSILON / 2.0;
    const TINY: f64 = 5e-324;
    fn of(value: f64) -> Self {
        value
    }
    fn value(self) -> f64 {
        self
    }
}

pub fn numbers<T: Number>(values: &[f64]) -> Vec<T> {
    values.iter().map(|value| T::of(*value)).collect()
}

/// One file of tests/data/golden; their format is in the README there.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    scalars: HashMap<String, String>,
    arrays: HashMap<String, Vec<f64>>,
}

impl Case {
    /// All of them.
    pub fn all() -> Vec<Case> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/data/golden");
        let mut paths: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().map_or(false, |extension| extension == "txt"));
        paths.sort();
        paths.iter().map(|path| Case::read(path)).collect()
    }

    fn read(path: &Path) -> Case {
        let text = std::fs::read_to_string(path).unwrap();
        let (mut scalars, mut arrays) = (HashMap::new(), HashMap::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut words = line.split_whitespace();
            match (words.next().unwrap(), words.next().unwrap()) {
                ("array", name) => {
                    let array: Vec<f64> = lines.next().unwrap().split_whitespace().map(real).collect();
                    assert_eq!(words.next().unwrap().parse(), Ok(array.len()));
                    arrays.insert(name.to_string(), array);
                }
                (key, value) => {
                    scalars.insert(key.to_string(), value.to_string());
                }
            }
        }
        Case { name: path.file_stem().unwrap().to_str().unwrap().to_string(), scalars, arrays }
    }

    /// One of several parts, whose keys and arrays begin with a prefix: what it does not have of its own is that of the whole.
    pub fn part(&self, prefix: &str) -> Case {
        let (mut scalars, mut arrays) = (self.scalars.clone(), self.arrays.clone());
        let own = |name: &String| name.strip_prefix(prefix).map(str::to_string);
        scalars.extend(self.scalars.iter().filter_map(|(key, value)| Some((own(key)?, value.clone()))));
        arrays.extend(self.arrays.iter().filter_map(|(name, array)| Some((own(name)?, array.clone()))));
        Case { name: format!("{} {}", self.name, prefix), scalars, arrays }
    }

    /// The parts prefix0, prefix1, ... of which a key says how many there are.
    pub fn parts(&self, count: &str, prefix: &str) -> Vec<Case> {
        (0..self.size(count)).map(|k| self.part(&format!("{}{}.", prefix, k))).collect()
    }

    /// The same, whose running statistics are one of two sets: `set_mean` and `set_stddev`.
    pub fn with_set(&self, set: &str) -> Case {
        let mut case = self.clone();
        case.scalars.insert("track".to_string(), "sigma".to_string());
        for (to, from) in [("running_mean", "mean"), ("running_sigma", "stddev")] {
            for age in ["", "new_"] {
                case.set_array(&format!("{}{}", age, to), self.arrays[&format!("{}{}_{}", age, set, from)].clone());
            }
        }
        case
    }

    pub fn set_array(&mut self, name: &str, array: Vec<f64>) {
        self.arrays.insert(name.to_string(), array);
    }

    pub fn has(&self, key: &str) -> bool {
        self.text(key) == Some("1")
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.scalars.get(key).map(String::as_str)
    }

    pub fn number(&self, key: &str) -> Option<f64> {
        self.text(key).map(real)
    }

    pub fn size(&self, key: &str) -> usize {
        self.scalars[key].parse().unwrap()
    }

    /// The array with the running variances, or deviations.
    pub fn spread(&self) -> &'static str {
        match self.text("track") {
            Some("sigma") => "running_sigma",
            _ => "running_var",
        }
    }

    pub fn groups(&self) -> usize {
        self.text("groups").map_or(1, |groups| groups.parse().unwrap())
    }

    pub fn group_order(&self) -> GroupOrder {
        match self.text("order") {
            Some("interleaved") => GroupOrder::Interleaved,
            _ => GroupOrder::Contiguous,
        }
    }

    /// Which positions `[n][s]` count.
    pub fn valid(&self) -> Vec<u8> {
        match self.array("mask") {
            Some(mask) => mask.iter().map(|value| *value as u8).collect(),
            None => vec![1; self.size("n") * self.size("s")],
        }
    }

    /// The same as lengths, if the positions that count are the first of each sample.
    pub fn lengths(&self) -> Option<Vec<i64>> {
        let (valid, s) = (self.valid(), self.size("s"));
        let lengths = valid.chunks(s).map(|sample| sample.iter().map(|v| i64::from(*v)).sum()).collect::<Vec<i64>>();
        let of_lengths = lengths.iter().flat_map(|length| (0..s as i64).map(move |k| u8::from(k < *length)));
        of_lengths.eq(valid).then_some(lengths)
    }

    pub fn array(&self, name: &str) -> Option<&[f64]> {
        self.arrays.get(name).map(Vec::as_slice)
    }
}

/// A C99 hexadecimal float with at most 53 bits, a decimal integer, or inf.
fn real(text: &str) -> f64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    let hexadecimal = match digits.strip_prefix("0x") {
        Some(rest) => rest,
        None => return text.parse().unwrap(),
    };
    let (mantissa, exponent) = hexadecimal.split_once('p').unwrap();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let bits = u64::from_str_radix(&format!("{}{}", whole, fraction), 16).unwrap();
    let exponent = exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32;
    // In two steps: 2 to the power of the exponent alone may underflow.
    sign * bits as f64 * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}
