//! `balcao emulator`: the outside world, on this machine.

use anyhow::Context;
use balcao_emulators::{openai::OpenAiEmulator, payments, whatsapp};
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
    let payments = match args.payments {
        Some(address) => {
            let listener = TcpListener::bind(address)
                .await
                .with_context(|| format!("failed to listen on {address} (--payments chooses another)"))?;
            Some(payments::serve(listener, payments::Options::default()).await?)
        }
        None => None,
    };
    let addresses = serde_json::json!({
        "payments": payments.as_ref().map(payments::Running::url),
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
        if let Some(payments) = &payments {
            let url = payments.url();
            println!("Payment providers' stand-ins: {}", payments::dialects::names().join(", "));
            println!(
                "  each at {url}/NAME: the `base_url` of an access file (balcao payments connect --help)"
            );
            println!("  reports go where: PUT {url}/_control/hooks/NAME {{\"url\", \"secret\"}}");
            println!("  play the payer:   POST {url}/_control/pay {{\"charge\": \"the PIX code\"}}");
        }
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
    if let Some(payments) = payments {
        payments.stop().await;
    }
    if let Some(openai) = openai {
        openai.stop().await;
    }
    whatsapp.stop().await;
    Ok(())
}
