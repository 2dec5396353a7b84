//! The same loop for vectors of 128 bits, which every x86-64 machine has, and for those of this one.

/// Does `work`, compiled for AVX2 where the machine has it. What it calls is compiled so only if it is inlined. No result depends on the machine: additions and
/// multiplications stay apart.
pub(crate) fn widest<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}
