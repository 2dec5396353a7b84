//! Whether all promises fit into the time there is, and which give way when they do not.
//!
//! Costs are wall time on a worker: what else the machine does with its cores is in them. A camera takes `cost / interval` of a worker;
//! the sum over all cameras is the demand. What does not fit is stretched from `look_every` towards `look_limit`, one camera after the
//! other in the order of importance, places under watch last. What does not fit at the limits either is refused, by name (design §4).

/// What one camera asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    /// Seconds of a worker that one look takes, on average lately.
    pub cost_s: f64,
    pub look_every_s: f64,
    pub look_limit_s: f64,
    /// Looks fall onto pictures: so far apart are those that can be looked at.
    pub pictures_apart_s: f64,
    /// How likely people in need are here, 0–1.
    pub importance: f32,
    /// Somebody is under watch here.
    pub watched: bool,
}

/// What each camera gets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// Seconds from look to look, by camera.
    pub look_every_s: Vec<f64>,
    /// Workers that the promises take as they are written.
    pub demand: f64,
    /// Workers that are missing when all promises are stretched to their limits.
    pub missing: f64,
    /// Cameras whose limits cannot be kept, the least important first.
    pub refused: Vec<usize>,
}

/// Nobody is looked at more rarely than this, whatever the load.
pub const LATEST_S: f64 = 3600.0;
/// Cameras that are refused share at least this part of all workers: they are seen late, but they are seen.
const REFUSED_PART_MIN: f64 = 0.05;
/// A look is begun so much before its promise ends, or by this part of it, for it must also end in time.
const AHEAD_S: f64 = 0.1;
const AHEAD_PART: f64 = 0.1;
/// Pictures come no faster than this.
const PICTURES_APART_MIN_S: f64 = 1.0 / 60.0;

impl Ask {
    /// Seconds from look to look when it is to be looked at every `every_s`: looks fall onto pictures.
    fn interval_s(&self, every_s: f64) -> f64 {
        let apart_s = self.pictures_apart_s.max(PICTURES_APART_MIN_S);
        apart_s.max(((every_s - AHEAD_S.min(every_s * AHEAD_PART)) / apart_s).floor() * apart_s)
    }

    fn demand(&self, every_s: f64) -> f64 {
        self.cost_s / self.interval_s(every_s)
    }

    /// So far it is stretched: to the limit, or with a picture in reserve. Where there is much to do a picture may be replaced by the next one while it waits,
    /// and the limit holds all the same. Where a picture less would be no stretch at all there is no reserve.
    fn limit_s(&self, in_reserve: bool) -> f64 {
        let limit_s = self.look_limit_s.max(self.look_every_s);
        let reserved_s = limit_s - self.pictures_apart_s;
        let gains = reserved_s > self.look_every_s && self.interval_s(reserved_s) > self.interval_s(self.look_every_s);
        if in_reserve && gains { reserved_s } else { limit_s }
    }

    /// The shortest time from look to look, up to `limit_s`, that takes no more than `share` of a worker.
    fn every_for(&self, share: f64, limit_s: f64) -> f64 {
        if share <= 0.0 {
            return limit_s;
        }
        let pictures = (self.cost_s / share / self.pictures_apart_s.max(PICTURES_APART_MIN_S)).ceil();
        let apart_s = self.pictures_apart_s.max(PICTURES_APART_MIN_S);
        let at_s = pictures * apart_s;
        // So much more that the look falls onto this picture and not onto the one before.
        let ahead_s = AHEAD_S.min(at_s * AHEAD_PART / (1.0 - AHEAD_PART));
        let every_s = at_s + ahead_s.max(0.5 * apart_s);
        every_s.clamp(self.look_every_s, limit_s)
    }
}

/// What the looks really take against what their costs lead to expect. Each camera learns its cost over a few looks of its own; all together show within
/// seconds that, say, pictures stand still by now and are no longer examined.
#[derive(Debug, Clone, Copy)]
pub struct Correction {
    factor: f64,
    /// Lately: a look that takes longer than a second ends in one second and was at work in others.
    busy: f64,
    expected: f64,
}

/// How fast the correction follows, per second.
const FOLLOWS: f64 = 0.1;
/// How fast it returns to what was learnt of each camera while nothing can be told.
const FOLLOWS_BLINDLY: f64 = 0.03;
/// Workers busier than this may leave looks undone: what they take then says nothing about what there is to do.
const SATURATED: f64 = 0.85;
const FACTOR_RANGE: (f64, f64) = (0.2, 2.0);

impl Default for Correction {
    fn default() -> Self {
        Self { factor: 1.0, busy: 0.0, expected: 0.0 }
    }
}

impl Correction {
    /// Takes in a second in which looks took `busy` workers' time; `expected` is the demand at the intervals in force.
    pub fn learn(&mut self, busy: f64, expected: f64, workers: f64) {
        self.busy += FOLLOWS * (busy - self.busy);
        self.expected += FOLLOWS * (expected - self.expected);
        if self.expected <= f64::EPSILON {
            return;
        }
        let is_told = self.busy < SATURATED * workers;
        let target = if is_told { (self.busy / self.expected).clamp(FACTOR_RANGE.0, FACTOR_RANGE.1) } else { self.factor.max(1.0) };
        self.factor += if is_told { FOLLOWS } else { FOLLOWS_BLINDLY } * (target - self.factor);
    }

    pub fn factor(&self) -> f64 {
        self.factor
    }
}

/// What cameras ask for when each is looked at as often as `look_every_s` says, in workers.
pub fn demand(asks: &[Ask], look_every_s: impl Iterator<Item = f64>) -> f64 {
    asks.iter().zip(look_every_s).map(|(ask, every_s)| ask.demand(every_s)).sum()
}

/// Shares `capacity`, in workers, among cameras.
pub fn plan(asks: &[Ask], capacity: f64) -> Plan {
    let demand: f64 = asks.iter().map(|ask| ask.demand(ask.look_every_s)).sum();
    let mut order: Vec<usize> = (0..asks.len()).collect();
    order.sort_by(|&a, &b| asks[a].watched.cmp(&asks[b].watched).then(asks[a].importance.total_cmp(&asks[b].importance)));
    let mut every_s: Vec<f64> = asks.iter().map(|ask| ask.look_every_s).collect();
    let mut over = demand - capacity;
    // All others give up their reserve before a place under watch waits. Each stage goes on from the one before, so that a little more to do never
    // turns the plan over.
    let (others, watched) = order.split_at(order.partition_point(|&index| !asks[index].watched));
    for (cameras, in_reserve) in [(others, true), (others, false), (watched, true), (watched, false)] {
        stretch(asks, cameras, in_reserve, &mut every_s, &mut over);
    }
    if over <= 0.0 {
        return Plan { look_every_s: every_s, demand, missing: 0.0, refused: Vec::new() };
    }
    let missing = over;
    let (mut refused, mut refused_demand) = (Vec::new(), 0.0);
    for &index in &order {
        if over <= 0.0 {
            break;
        }
        let share = asks[index].demand(every_s[index]);
        refused.push(index);
        refused_demand += share;
        over -= share;
    }
    // What the others leave over, and never nothing.
    let left = (-over).max(capacity * REFUSED_PART_MIN);
    for &index in &refused {
        let late_s = asks[index].interval_s(every_s[index]) * (refused_demand / left).max(1.0);
        every_s[index] = late_s.max(every_s[index]);
    }
    Plan { look_every_s: every_s, demand, missing, refused }
}

/// Stretches `cameras`, one after the other, until nothing is `over`, in workers, or all are at their limits.
fn stretch(asks: &[Ask], cameras: &[usize], in_reserve: bool, every_s: &mut [f64], over: &mut f64) {
    for &index in cameras {
        if *over <= 0.0 {
            return;
        }
        let ask = &asks[index];
        let before = ask.demand(every_s[index]);
        every_s[index] = ask.every_for(before - *over, ask.limit_s(in_reserve)).max(every_s[index]);
        *over -= before - ask.demand(every_s[index]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A look of 20 ms, promised every 10 s and every 30 s at the least, key frames every 2 s.
    fn ask(importance: f32, watched: bool) -> Ask {
        Ask { cost_s: 0.02, look_every_s: 10.0, look_limit_s: 30.0, pictures_apart_s: 2.0, importance, watched }
    }

    fn planned(asks: &[Ask], plan: &Plan) -> f64 {
        asks.iter().zip(&plan.look_every_s).map(|(ask, every_s)| ask.demand(*every_s)).sum()
    }

    #[test]
    fn what_fits_is_left_alone() {
        let asks = vec![ask(0.5, false); 100];
        let plan = plan(&asks, 0.85);
        assert_eq!(plan.look_every_s, vec![10.0; 100]);
        assert!((plan.demand - 100.0 * 0.02 / 8.0).abs() < 1e-9 && plan.refused.is_empty());
    }

    /// A load of 1.3: the least important give way, as far as it takes and no further, and watched places are the last.
    #[test]
    fn the_least_important_give_way_first_and_watched_places_last() {
        let mut asks: Vec<Ask> = (0..442).map(|n| ask(n as f32 / 442.0, n < 10)).collect();
        let got = plan(&asks, 0.85);
        assert!((got.demand / 0.85 - 1.3).abs() < 0.01, "{}", got.demand);
        assert!(got.refused.is_empty());
        assert!(got.look_every_s[..10].iter().all(|every_s| (every_s - 10.0).abs() < 1e-9), "watched");
        assert!(got.look_every_s[10] > 27.0, "the least important");
        assert!(got.look_every_s.iter().all(|every_s| *every_s <= 28.0), "a key frame that is replaced breaks no limit");
        assert!((got.look_every_s[441] - 10.0).abs() < 1e-9, "the most important");
        let stretched = got.look_every_s[10..].iter().position(|every_s| *every_s < 10.1).expect("not all");
        assert!(got.look_every_s[10 + stretched..].iter().all(|every_s| *every_s < 10.1), "in the order of importance");
        let used = planned(&asks, &got);
        assert!(used <= 0.85 + 1e-9 && used > 0.84, "{used}");
        asks.truncate(330);
        assert!(plan(&asks, 0.85).look_every_s.iter().all(|every_s| *every_s < 10.1), "the load fell: promises return");
    }

    #[test]
    fn places_under_watch_wait_only_when_nobody_else_has_a_picture_in_reserve() {
        // The ten others have room when each is looked at every 28 s, as late as the limit of 30 allows, and none when it is every 26.
        let asks: Vec<Ask> = (0..20).map(|n| Ask { cost_s: 0.4, ..ask(0.5, n < 10) }).collect();
        let capacity = (10.0 / 8.0 + 10.0 / 28.0) * 0.4 + 1e-6;
        let got = plan(&asks, capacity);
        assert!(got.refused.is_empty() && planned(&asks, &got) <= capacity);
        assert!(got.look_every_s[..10].iter().all(|every_s| (every_s - 10.0).abs() < 1e-9), "{:?}", got.look_every_s);
        assert!(got.look_every_s[10..].iter().all(|every_s| *every_s > 28.0), "{:?}", got.look_every_s);
    }

    #[test]
    fn a_little_more_to_do_never_turns_the_plan_over() {
        let asks: Vec<Ask> = (0..10)
            .map(|n| Ask { cost_s: 0.4, look_every_s: 5.0, look_limit_s: 15.0, pictures_apart_s: 4.0, ..ask(n as f32, n == 9) })
            .collect();
        let plans: Vec<Plan> = (20..=110).rev().map(|capacity| plan(&asks, f64::from(capacity) / 100.0)).collect();
        for pair in plans.windows(2).filter(|pair| pair[1].refused.is_empty()) {
            let (more, less) = (&pair[0].look_every_s, &pair[1].look_every_s);
            assert!(more.iter().zip(less).all(|(more, less)| less + 1e-9 >= *more), "{more:?} {less:?}");
        }
        assert!(plans.iter().any(|plan| plan.refused.is_empty() && plan.look_every_s[8] > 12.0 && plan.look_every_s[9] < 5.1));
    }

    #[test]
    fn where_a_picture_in_reserve_would_be_no_stretch_there_is_none() {
        let likely = ask(0.5, false);
        let asks = [Ask { cost_s: 0.2, look_every_s: 2.0, look_limit_s: 6.0, ..ask(0.1, false) }, likely];
        let got = plan(&asks, 0.2 / 4.0 + 0.02 / 8.0 + 1e-9);
        assert!(got.look_every_s[0] > 4.0 && (got.look_every_s[1] - 10.0).abs() < 1e-9, "{:?}", got.look_every_s);
    }

    #[test]
    fn what_does_not_fit_at_the_limits_is_refused_by_name() {
        let asks: Vec<Ask> = (0..1600).map(|n| ask(n as f32 / 1600.0, n < 10)).collect();
        let got = plan(&asks, 0.85);
        assert!((got.missing - (1600.0 * 0.02 / 28.0 - 0.85)).abs() < 1e-6, "{}", got.missing);
        assert!(!got.refused.is_empty() && got.refused[0] == 10 && got.refused.iter().all(|index| *index >= 10));
        let limit = |index: usize| got.look_every_s[index] <= 30.0 + 1e-9;
        assert!((0..1600).all(|index| limit(index) != got.refused.contains(&index)), "all others are seen within their limits");
        assert!(planned(&asks, &got) <= 0.85 * 1.06);
    }

    #[test]
    fn what_looks_really_take_corrects_what_was_expected_but_not_while_looks_are_left_undone() {
        let mut correction = Correction::default();
        for _ in 0..60 {
            correction.learn(0.3, 0.9, 1.0);
        }
        assert!((correction.factor() - 1.0 / 3.0).abs() < 0.01, "{}", correction.factor());
        for _ in 0..200 {
            correction.learn(1.0, 3.0, 1.0);
        }
        assert!((correction.factor() - 1.0).abs() < 0.02, "a full worker does not show what is left undone: {}", correction.factor());
    }

    proptest! {
        #[test]
        fn nobody_starves_and_all_are_accounted_for(
            asks in prop::collection::vec((0.0..0.2_f64, 0.0..20.0_f64, 1.0..5.0_f64, 0.0..4.0_f64, 0.0..1.0_f32, any::<bool>()), 0..60),
            capacity in 0.1..4.0_f64,
        ) {
            let asks: Vec<Ask> = asks
                .into_iter()
                .map(|(cost_s, look_every_s, stretch, pictures_apart_s, importance, watched)| {
                    Ask { cost_s, look_every_s, look_limit_s: look_every_s * stretch, pictures_apart_s, importance, watched }
                })
                .collect();
            let got = plan(&asks, capacity);
            prop_assert_eq!(got.look_every_s.len(), asks.len());
            for (index, (ask, every_s)) in asks.iter().zip(&got.look_every_s).enumerate() {
                prop_assert!(every_s.is_finite() && *every_s >= ask.look_every_s - 1e-9);
                prop_assert!(got.refused.contains(&index) || *every_s <= ask.look_limit_s + 1e-9);
            }
            prop_assert_eq!(got.refused.is_empty(), got.missing <= 0.0);
            if got.refused.is_empty() {
                prop_assert!(planned(&asks, &got) <= capacity + 1e-6 || got.demand <= capacity + 1e-6);
            }
        }
    }
}
