//! The program `patrol`.

use std::process::ExitCode;

/// Packets and pictures of hundreds of cameras come and go on a few threads: the C library's allocator took a fifth of the net thread's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    patrol::main()
}
