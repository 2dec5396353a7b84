//! Reads what a patrol says of itself at `/metrics`: sums of counters, quantiles of histograms (Prometheus' text format 0.0.4).

use anyhow::{Context as _, bail};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A patrol under full load answers late.
const TIMEOUT: Duration = Duration::from_secs(20);

/// All samples of one reading.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Asks the patrol whose console listens at `address`.
    pub(super) fn read(address: SocketAddr) -> anyhow::Result<Self> {
        let asked = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            // HTTP 1.0: the answer comes whole, and ends with the connection.
            write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = asked().with_context(|| format!("http://{address}/metrics"))?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("http://{address}/metrics: no answer") };
        let status = head.lines().next().unwrap_or_default();
        if !status.contains(" 200 ") {
            bail!("http://{address}/metrics: found {status:?}, wanted 200");
        }
        Ok(Self::parse(body))
    }

    fn parse(text: &str) -> Self {
        Self { samples: text.lines().filter(|line| !line.starts_with('#')).filter_map(Sample::parse).collect() }
    }

    /// Sum over all samples of `name` that carry every one of `labels`; 0 when there is none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples.iter().filter(|sample| sample.name == name && sample.has(labels)).map(|sample| sample.value).sum()
    }

    /// The value below which the part `quantile` of what came in since `before` lies, as Prometheus' `histogram_quantile` counts it: linear within a
    /// bucket. With it how many came in. `None`: there is no such histogram, or nothing came in.
    pub(super) fn quantile_since(&self, before: &Self, name: &str, quantile: f64) -> Option<(f64, u64)> {
        let buckets = self.buckets(name);
        let earlier = before.buckets(name);
        let since: Vec<(f64, f64)> = buckets
            .iter()
            .map(|(bound, count)| {
                let then = earlier.iter().find(|(known, _)| known == bound).map_or(0.0, |(_, count)| *count);
                (*bound, count - then)
            })
            .collect();
        let all = since.last()?.1;
        if all <= 0.0 {
            return None;
        }
        let wanted = quantile * all;
        let at = since.iter().position(|(_, count)| *count >= wanted)?;
        let (upper, count) = since[at];
        let (lower, below) = if at == 0 { (0.0, 0.0) } else { since[at - 1] };
        // Beyond the last bound nothing is known but that it was passed.
        let value = if upper.is_infinite() { lower } else { lower + (upper - lower) * (wanted - below) / (count - below).max(1.0) };
        Some((value, all as u64))
    }

    /// How many buckets the histogram `name` has; 0: it is not there.
    pub(super) fn buckets_of(&self, name: &str) -> usize {
        self.buckets(name).len()
    }

    /// Upper bound and count of all up to it, over all series of the histogram `name` together, in order.
    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let bucket = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for sample in self.samples.iter().filter(|sample| sample.name == bucket) {
            let bound = sample.label("le").and_then(|bound| if bound == "+Inf" { Some(f64::INFINITY) } else { bound.parse().ok() });
            let Some(bound) = bound else { continue };
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, count)) => *count += sample.value,
                None => buckets.push((bound, sample.value)),
            }
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.trim().rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let Some((name, labels)) = series.split_once('{') else {
            return Some(Self { name: series.to_owned(), labels: Vec::new(), value });
        };
        let mut rest = labels.strip_suffix('}')?;
        let mut labels = Vec::new();
        while !rest.is_empty() {
            let (key, after) = rest.split_once("=\"")?;
            let end = closing_quote(after)?;
            labels.push((key.to_owned(), after[..end].to_owned()));
            rest = after[end + 1..].trim_start_matches(',');
        }
        Some(Self { name: name.to_owned(), labels, value })
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(key, value)| self.label(key) == Some(value))
    }
}

/// Where the quoted text ends; quotes inside it stand behind a backslash.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP looks Looks.\n# TYPE looks counter\nlooks{camera=\"a\",outcome=\"examined\"} 7\nlooks{camera=\"b, \\\"x\\\"\",outcome=\"examined\"} 3\n\
                        looks{camera=\"a\",outcome=\"stale\"} 2\nplain 1.5\n";

    #[test]
    fn counters_are_summed_by_label() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.sum("looks", &[("outcome", "examined")]), 10.0);
        assert_eq!(metrics.sum("looks", &[("camera", "a")]), 9.0);
        assert_eq!((metrics.sum("plain", &[]), metrics.sum("nothing", &[])), (1.5, 0.0));
        assert_eq!(metrics.samples.len(), 4);
    }

    fn histogram(counts: [u64; 4]) -> Metrics {
        let bounds = ["0.05", "0.1", "0.5", "+Inf"];
        let lines: Vec<String> = bounds.iter().zip(counts).map(|(le, count)| format!("lat_bucket{{le=\"{le}\"}} {count}")).collect();
        Metrics::parse(&lines.join("\n"))
    }

    #[test]
    fn a_quantile_is_that_of_what_came_in_since() {
        let before = histogram([10, 10, 10, 10]);
        let after = histogram([10, 60, 110, 110]);
        let (median, count) = after.quantile_since(&before, "lat", 0.5).expect("a quantile");
        assert_eq!((median, count), (0.1, 100));
        let (p75, _) = after.quantile_since(&before, "lat", 0.75).expect("a quantile");
        assert!((p75 - 0.3).abs() < 1e-9, "{p75}");
    }

    #[test]
    fn without_a_histogram_or_anything_in_it_there_is_no_quantile() {
        let empty = Metrics::default();
        assert_eq!(Metrics::parse(TEXT).quantile_since(&empty, "lat", 0.99), None);
        let same = histogram([1, 2, 3, 4]);
        assert_eq!(same.quantile_since(&same, "lat", 0.99), None);
        // All beyond the last bound: at least that.
        assert_eq!(histogram([0, 0, 0, 5]).quantile_since(&empty, "lat", 0.99), Some((0.5, 5)));
    }
}
