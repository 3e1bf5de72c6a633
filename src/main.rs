//! The program: reads the command line, runs the command, and turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    buoy::cli::main()
}
