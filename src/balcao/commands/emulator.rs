//! `balcao emulator`: the outside world, on this machine.

use anyhow::Context;
use balcao_emulators::{openai::OpenAiEmulator, whatsapp};
use tokio::net::TcpListener;

use crate::{
    cli::{Emulator, Global},
    output,
};

/// Runs the stand-ins until Ctrl-C.
pub async fn run(global: &Global, args: Emulator) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("failed to listen on {} (--listen chooses another address)", args.listen))?;
    let whatsapp = whatsapp::serve(listener, whatsapp::Options::default()).await?;
    let openai = match args.openai {
        Some(address) => {
            let started = OpenAiEmulator::start(address).await;
            Some(
                started
                    .with_context(|| format!("failed to listen on {address} (--openai chooses another)"))?,
            )
        }
        None => None,
    };
    let addresses = serde_json::json!({
        "whatsapp": whatsapp.url(),
        "openai": openai.as_ref().map(OpenAiEmulator::base_url),
    });
    output::print(global.json, &addresses, |_| {
        println!(
            "WhatsApp Cloud API stand-in: {} (a phone in the browser at the same address)",
            whatsapp.url()
        );
        println!("  use it with: balcao serve --set whatsapp.base_url={}", whatsapp.url());
        println!("  register a number: POST {}/_control/numbers", whatsapp.url());
        if let Some(openai) = &openai {
            println!("OpenAI-compatible stand-in:  {}", openai.base_url());
            println!(
                "  use it with: balcao serve --set llm.base_url={} --set llm.model=scripted",
                openai.base_url()
            );
        }
        println!("Ctrl-C stops.");
    })?;
    tokio::signal::ctrl_c().await.context("failed to listen for Ctrl-C")?;
    if let Some(openai) = openai {
        openai.stop().await;
    }
    whatsapp.stop().await;
    Ok(())
}
