//! Places at which a test may kill the process: `PATROL_FAIL_POINT=name:n` aborts at the n-th time `name` is reached.
//! In release builds there is nothing here.

#[cfg(debug_assertions)]
pub(crate) fn reached(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    static CHOSEN: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var("PATROL_FAIL_POINT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((chosen, count)) = chosen
        && chosen == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn reached(_name: &str) {}
