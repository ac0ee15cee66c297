//! The `assay` command: one binary for the service and for everything that is done without one.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 done and good; 1 done and not good (rejected, denied,
//! not valid); 2 not done (usage, unreadable input, unreachable service); 78 bad configuration.

mod arguments;
mod commands;
mod document;
mod failure;
mod input;
mod output;
mod remote;
mod style;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::output::Output;

/// Attestation allocates many short-lived buffers from many threads; this allocator is faster at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut output = Output::standard();
    match Arguments::try_parse() {
        Ok(arguments) => {
            let result = commands::run(arguments.command, &mut output);
            output.finish(result)
        }
        Err(error) => output.usage(&error),
    }
}
