//! The `ace` program: an authorization server, a sample resource server, a client, and the tools around them.
//!
//! Exit codes: 0 done; 1 refused or failed on the way; 2 the command, a file or the machine is not as it must be.
#![forbid(unsafe_code)]

mod args;
mod client;
mod config;
mod demo;
mod failure;
mod inspect;
mod output;
mod sample;
mod serve;
mod site;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    args::{Arguments, Command},
    failure::Failure,
};

/// Bytes of stack for each thread: the engines are made on the stack and moved to the heap, several copies of a few
/// hundred KiB when not optimized.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    output::start_logging(arguments.command.serves(), arguments.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Failure::setup(format!("no threads to run on: {error}")).report(),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let output = output::Output::new(arguments.color, arguments.verbose);
    match arguments.command {
        Command::Demo(demo) => demo::run(demo, &output).await,
        Command::Init(init) => site::init(&init, &output).await,
        Command::Serve(serve) => serve::authorization_server(&serve, &output).await,
        Command::Rs { command } => site::resource_server(command, &output).await,
        Command::Client { command } => site::client(command, &output).await,
        Command::Grant(grant) => site::grant(&grant, &output).await,
        Command::Request(request) => client::request(&request, &output).await,
        Command::Token { command } => inspect::token(&command, &output),
        Command::Completions { shell } => {
            args::print_completions(shell);
            Ok(())
        }
    }
}
