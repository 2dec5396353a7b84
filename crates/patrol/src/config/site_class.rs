//! The class of a place, and how likely people in need shelter there.

use super::place::Place;
use super::problem::Problems;

/// A place of unknown class counts as a main road (`integration.md` §1.7).
pub(super) const DEFAULT_SITE_PRIOR: f32 = 0.3;

/// How likely people in need shelter at a place of GB/T 28181 Annex O class `code` (`integration.md` §1.7); longest prefix first.
fn site_prior(code: &str) -> Option<f32> {
    const PRIORS: [(&str, f32); 23] = [
        ("00203", 1.0),
        ("00401", 1.0),
        ("00402", 1.0),
        ("00602", 0.9),
        ("00605", 0.9),
        ("00604", 0.9),
        ("01202", 0.7),
        ("01204", 0.7),
        ("01205", 0.7),
        ("01301", 0.8),
        ("00501", 0.5),
        ("02201", 0.5),
        ("00201", 0.3),
        ("007", 0.7),
        ("001", 0.6),
        ("008", 0.5),
        ("018", 0.4),
        ("020", 0.2),
        ("019", 0.2),
        ("017", 0.2),
        ("011", 0.2),
        ("013", 0.8),
        ("012", 0.7),
    ];
    PRIORS.iter().find(|(prefix, _)| code.starts_with(prefix)).map(|(_, prior)| *prior)
}

pub(super) fn prior_of_class(code: &str, place: &Place<'_>, problems: &mut Problems) -> f32 {
    let (place, digits) = (place.at("site_class"), code.bytes().all(|byte| byte.is_ascii_digit()));
    if !digits || !(3..=7).contains(&code.len()) {
        problems.error(place, format!("{code:?}"), "3 to 7 digits of GB/T 28181 Annex O, such as \"00203\" for an underpass", "");
        return DEFAULT_SITE_PRIOR;
    }
    site_prior(code).unwrap_or_else(|| {
        let counted = format!("counted as a main road ({DEFAULT_SITE_PRIOR}): leads here rank lower than at a place of shelter");
        let zeros = ["0", "00"].map(|zeros| format!("{zeros}{code}")).into_iter().find(|padded| site_prior(padded).is_some());
        let hint = match zeros {
            Some(padded) if !code.starts_with('0') => format!("{counted}; did a spreadsheet take the zeros off {padded}?"),
            _ => counted,
        };
        problems.warning(place, format!("{code:?}, a class without a prior"), "a class of Annex O where people shelter", hint);
        DEFAULT_SITE_PRIOR
    })
}
