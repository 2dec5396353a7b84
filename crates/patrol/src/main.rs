//! The program `patrol`.

use std::process::ExitCode;

/// Packets and pictures of hundreds of cameras come and go on a few threads: the C library's allocator took a fifth of the net thread's time. Without huge pages
/// (feature `no_thp`; where the system gives them unasked, `MIMALLOC_ALLOW_THP=0`): nothing of one is given back while anything in it lives (`benches/results/2026-11-30-memory.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    patrol::main()
}
