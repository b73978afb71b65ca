//! `balcao serve`: the counter opens, and closes on Ctrl-C.

use std::{io::IsTerminal, net::SocketAddr};

use anyhow::Context;
use balcao_emulators::whatsapp;
use balcao_server::{DemoShop, telemetry};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    boot::{self, DemoShops, Extras, Opened, Running},
    cli::{Global, Serve},
    config::Config,
    demo::DemoFile,
};

/// Serves until told to stop.
pub async fn run(global: &Global, args: Serve) -> anyhow::Result<()> {
    let mut config =
        super::settings(global, &[("server.listen", args.listen.map(|address| address.to_string()))])?;
    let _telemetry = telemetry::Telemetry {
        filter: config.log.filter.clone(),
        json: config.log.format == "json",
        otlp_endpoint: std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT")
            .ok()
            .filter(|endpoint| !endpoint.is_empty()),
    }
    .start()
    .context("failed to start logging")?;
    let metrics = telemetry::metrics_recorder()?;
    // Listening for the signals first: a Ctrl-C during start-up must end in an orderly way too.
    let stop = StopSignal::new()?;
    let listener = TcpListener::bind(config.server.listen).await.with_context(|| {
        format!(
            "failed to listen on {}: is another server running? (--listen chooses another)",
            config.server.listen
        )
    })?;
    let emulator = match args.demo {
        true => Some(emulator(args.emulator_listen).await?),
        false => None,
    };
    if let Some(emulator) = &emulator {
        config.whatsapp.base_url = emulator.url();
    }
    let opened = boot::open(&config).await?;
    let served = serve(&config, &opened, listener, metrics, emulator.as_ref(), stop).await;
    if let Some(emulator) = emulator {
        emulator.stop().await;
    }
    opened.close().await;
    served?;
    eprintln!("stopped; the data stays in `{}`", config.data_dir.display());
    Ok(())
}

async fn serve(
    config: &Config,
    opened: &Opened,
    listener: TcpListener,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    emulator: Option<&whatsapp::Running>,
    mut stop: StopSignal,
) -> anyhow::Result<()> {
    let before = DemoFile::read(&config.data_dir)?;
    let demo = match emulator {
        Some(_) => Some(DemoShops::prepare(&opened.store, before.as_ref()).await?),
        None => None,
    };
    let extras = Extras {
        listener,
        demo: demo.as_ref().map(pages).unwrap_or_default(),
        model: None,
        agent: None,
        embedder: None,
        metrics,
    };
    let running = boot::start(config, &opened.store, extras).await?;
    let ready = async {
        if let (Some(demo), Some(emulator)) = (&demo, emulator) {
            demo.ingest(&running.ingestor).await?;
            let file = demo.file(&running.url(), &emulator.url());
            file.write(&config.data_dir)?;
            register(demo, &file, emulator).await?;
            println!("{}", welcome(&file, config));
        } else {
            println!("balcao serves on {}", running.url());
        }
        anyhow::Ok(())
    };
    let result = tokio::select! {
        ready = ready => match ready {
            Ok(()) => tokio::select! {
                () = stop.wait() => Ok(()),
                () = running.system.ended() => Err(anyhow::anyhow!(
                    "the engine failed again and again and has ended (see the log): start it anew; nothing stored is lost"
                )),
            },
            failed => failed,
        },
        () = stop.wait() => Ok(()),
    };
    close(running, stop).await;
    result
}

/// Stops in order; a second Ctrl-C does not wait.
async fn close(running: Running, mut stop: StopSignal) {
    eprintln!("stopping (Ctrl-C again to hurry) …");
    tokio::select! {
        () = running.stop() => {}
        () = stop.wait() => eprintln!("not waiting for what is under way; nothing stored is lost"),
    }
}

async fn emulator(wanted: SocketAddr) -> anyhow::Result<whatsapp::Running> {
    let listener = match TcpListener::bind(wanted).await {
        Ok(listener) => listener,
        // Any free port will do: what is printed and left in demo.json says which.
        Err(_) => {
            TcpListener::bind((wanted.ip(), 0)).await.context("failed to find a port for the emulator")?
        }
    };
    whatsapp::serve(listener, whatsapp::Options::default())
        .await
        .context("failed to start the WhatsApp emulator")
}

/// Makes the shops' numbers known to the emulator, which checks our webhook as Meta would.
async fn register(demo: &DemoShops, file: &DemoFile, emulator: &whatsapp::Running) -> anyhow::Result<()> {
    let client = emulator.client();
    for shop in &demo.shops {
        let number = whatsapp::NewNumber {
            phone_number_id: shop.number.phone_number_id.to_owned(),
            waba_id: shop.number.waba_id.to_owned(),
            display_phone_number: shop.number.display.to_owned(),
            access_token: shop.credentials.access_token.expose_secret().to_owned(),
            app_secret: shop.credentials.app_secret.expose_secret().to_owned(),
            verify_token: shop.credentials.verify_token.expose_secret().to_owned(),
            webhook_url: format!("{}{}", file.base_url, shop.webhook_path()),
            allowed: None,
        };
        client.register(&number).await.context("the emulator refused a demo number")?;
    }
    Ok(())
}

fn pages(demo: &DemoShops) -> Vec<DemoShop> {
    let shops = demo.shops.iter().map(|shop| DemoShop {
        slug: shop.tenant.slug.clone(),
        name: shop.tenant.name.clone(),
        language: shop.tenant.language,
        chat_key: SecretString::from(shop.keys.chat.clone()),
        greeting: String::new(),
        suggestions: Vec::new(),
    });
    shops.collect()
}

fn welcome(file: &DemoFile, config: &Config) -> String {
    let (base, emulator) = (&file.base_url, &file.emulator_url);
    let shop = file.tenants.first();
    let slug = shop.map_or("loja-aurora", |shop| shop.slug.as_str());
    let key = shop.map_or("", |shop| shop.keys.chat.as_str());
    let number = shop.map_or("", |shop| shop.whatsapp.phone_number_id.as_str());
    let program = std::env::current_exe().map_or_else(|_| "balcao".into(), |path| path.display().to_string());
    let model = match &config.llm.model {
        Some(model) if config.llm.is_configured() => format!("answers come from `{model}`, and from rules when it is away"),
        _ => "no language model is set: answers come from the rules and the shops' documents (see README: With a real model)".into(),
    };
    let bold = |text: &str| match std::io::stdout().is_terminal() {
        true => format!("\x1b[1m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let inbound = format!(
        r#"{{"phone_number_id":"{number}","from":"5511900000001","name":"Camila","text":"qto custa o frete?"}}"#
    );
    format!(
        "
{title}  {base}/        ({model})

{page}
  {base}/

{terminal}
  {program} chat --tenant {slug} \"qual o prazo de troca?\"

{api}
  curl -s {base}/v1/conversations/me/messages -H 'authorization: Bearer {key}' -H 'content-type: application/json' -d '{{\"text\":\"vcs abrem domingo?\"}}'

{whatsapp}
  curl -s {emulator}/_control/inbound -H 'content-type: application/json' -d '{inbound}'
  curl -s '{emulator}/_control/messages?to=5511900000001'

API description: {base}/docs     keys and secrets for scripts: {demo}     Ctrl-C stops everything
",
        title = bold("The counter is open."),
        page = bold("In a browser:"),
        terminal = bold("In another terminal:"),
        api = bold("Over the chat API:"),
        whatsapp = bold("As a customer on WhatsApp (the emulator plays the phone):"),
        demo = DemoFile::path(&config.data_dir).display(),
    )
}

/// Ctrl-C, or a polite kill.
struct StopSignal {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
