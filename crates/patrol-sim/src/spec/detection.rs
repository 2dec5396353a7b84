//! How a scene folder's pipeline finds people, and what goes wrong with it on purpose.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DetectionSpec {
    /// Boxes come from the truth, in place of pixels.
    pub(crate) scripted: bool,
    /// Part of the looks at each person in which he is not found, by chance.
    pub(crate) miss: f64,
    /// From and to, seconds: nobody is found.
    pub(crate) outages: Vec<[f64; 2]>,
    /// From its first multiple on, nobody is found for `outage_s` again and again, seconds.
    pub(crate) outage_every_s: Option<f64>,
    pub(crate) outage_s: Option<f64>,
    pub(crate) blind: Vec<BlindSpec>,
}

/// A person who is not found for a time, seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlindSpec {
    pub(crate) person: String,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
}

impl DetectionSpec {
    /// All outages of a scene, those that come again and again one by one.
    pub(crate) fn outages_until(&self, duration_s: f64) -> Vec<[f64; 2]> {
        let mut outages = self.outages.clone();
        if let Some((every_s, for_s)) = self.outage_every_s.zip(self.outage_s) {
            let again = (1..).map(|number| f64::from(number) * every_s);
            outages.extend(again.take_while(|from_s| *from_s < duration_s).map(|from_s| [from_s, from_s + for_s]));
        }
        outages
    }

    pub(crate) fn has_faults(&self) -> bool {
        self.miss > 0.0 || !self.outages.is_empty() || self.outage_every_s.is_some() || !self.blind.is_empty()
    }
}
