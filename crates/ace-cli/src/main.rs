//! The `ace` program: an authorization server, a sample resource server, a client, and the tools around them.
//!
//! Exit codes: 0 done; 1 refused or failed on the way; 2 the command, a file or the machine is not as it must be. What
//! fails says so in one sentence on standard error.
#![forbid(unsafe_code)]

mod address;
mod args;
mod bundle;
mod client;
mod config;
mod demo;
mod failure;
mod inspect;
mod log;
mod output;
mod sample;
mod serve;
mod site;
mod state;
mod trace;

use std::process::ExitCode;

use crate::{
    args::{Arguments, Command},
    failure::Failure,
};

/// Bytes of stack for each thread: the engines are made on the stack and moved to the heap, several copies of a few
/// hundred KiB when not optimized.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let done = Arguments::read().and_then(|arguments| {
        let output = output::Output::new(arguments.color, arguments.verbose);
        log::start(arguments.command.serves(), &output)?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.thread_stack_size(STACK).enable_all().build();
        let runtime =
            runtime.map_err(|error| Failure::setup(format!("no threads to run on: {error}")))?;
        let done = runtime.block_on(run(arguments.command, &output));
        // A name server that does not answer keeps nobody waiting.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command, output: &output::Output) -> Result<(), Failure> {
    match command {
        Command::Demo(demo) => demo::run(demo, output).await,
        Command::Init(init) => site::init(&init, output).await,
        Command::Serve(serve) => serve::authorization_server(&serve, output).await,
        Command::Rs { command } => site::resource_server(command, output).await,
        Command::Client { command } => site::client(command, output).await,
        Command::Grant(grant) => site::grant(&grant, output).await,
        Command::Request(request) => client::request(&request, output).await,
        Command::Token { command } => inspect::token(&command, output),
        Command::Completions { shell } => args::print_completions(shell),
    }
}
