//! Many open conversations on the rule path: small talk and questions from a pool of 500, over signed webhooks. A Cloud
//! API that only says yes takes the answers, at the pace of one number (80 a second).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use balcao_domain::{TenantCtx, tenant::Settings};

use super::{
    Figure, figure,
    ground::{Ground, StandIns},
    load::{self, Webhooks},
    resident_mb,
};
use crate::{boot::demo_documents, cli::BenchConversations, config::Config};

/// Three messages in ten are small talk.
const SMALL_TALK: [&str; 6] = ["oi", "bom dia", "obrigada!", "vcs tao abertos hj?", "blz", "ok, valeu"];
const SUBJECTS: [&str; 25] = [
    "o prazo de troca",
    "a devolução",
    "o frete para o Rio",
    "o frete grátis",
    "o pix",
    "o parcelamento",
    "o boleto",
    "a retirada na loja",
    "o endereço",
    "o horário de sábado",
    "a medida da calça",
    "o tamanho do vestido",
    "a numeração do tênis",
    "a lavagem da lã",
    "o cuidado com o couro",
    "lavar jeans",
    "o programa de pontos",
    "o cartão presente",
    "o rastreio",
    "a garantia",
    "a compra no atacado",
    "os meus dados",
    "a promoção",
    "a troca de presente",
    "o atraso da entrega",
];
const FORMS: [&str; 20] = [
    "como funciona {}?",
    "qual é {}?",
    "queria saber sobre {}",
    "vc pode me explicar {}?",
    "qto custa {}?",
    "me fala d {}",
    "tem alguma regra p {}?",
    "quais as condições p/ {}?",
    "{}: como faço?",
    "preciso de ajuda com {}",
    "é verdade que mudou {}?",
    "onde vejo {}?",
    "e {}?",
    "oi, {} como q é?",
    "por favor, {}",
    "duvida sobre {}",
    "qnto tempo leva {}?",
    "quem paga {}?",
    "posso mudar {}?",
    "o que preciso saber d {}?",
];

/// Measures.
pub async fn measure(config: &Config, args: &BenchConversations) -> anyhow::Result<Vec<Figure>> {
    let mut config = config.clone();
    config.llm.model = None;
    config.engine.idle = Duration::from_secs(3_600);
    let ground = Ground::prepare(&config, Settings::default()).await?;
    let running = ground.serve(StandIns::default()).await?;
    let ctx = TenantCtx::system(ground.tenant.tenant_id);
    for document in demo_documents("loja-aurora") {
        running.ingestor.ingest_document(&ctx, document, &|_| {}).await?;
    }
    let webhooks = Arc::new(Webhooks::new(format!("/webhooks/whatsapp/{}", ground.account.channel_id))?);

    // Everybody says hello once: that opens the conversations.
    let people = args.conversations as u64;
    let before = resident_mb();
    let greeting = Duration::from_secs((people / 1_000).max(1));
    load::open_loop(running.address, &webhooks, 1_000, greeting, |n| (n % people, "oi".to_owned())).await?;
    settle(&ground, Duration::from_secs(180)).await?;
    let open = running.system.open_conversations();
    let bytes_each = (resident_mb() - before) * 1024.0 * 1024.0 / open.max(1) as f64;

    let since = ground.sql("select clock_timestamp()")?;
    let seen =
        load::open_loop(running.address, &webhooks, args.rate, Duration::from_secs(args.seconds), |number| {
            // A fixed walk over people, small talk and questions: the same load every time.
            let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 17;
            (mixed % people, message(mixed))
        })
        .await?;
    settle(&ground, Duration::from_secs(120)).await?;
    let memory = resident_mb();
    let turn = |percent: &str| {
        ground.sql(&format!(
            "select coalesce(percentile_cont({percent}) within group (order by extract(epoch from committed_at - started_at)), 0) * 1000
             from turn where started_at > '{since}'"
        ))
    };
    let (p50, p99): (f64, f64) = (turn("0.5")?.parse()?, turn("0.99")?.parse()?);
    let unanswered: f64 =
        ground.sql("select count(*) from conversation_cursor where head_seq > acked_seq")?.parse()?;
    running.stop().await;
    ground.clear().await;
    Ok(vec![
        figure("open conversations", open as f64, "actors"),
        figure("messages accepted under load", seen.rate(), "messages/s"),
        figure("time to 200 under load, p50", seen.percentile_ms(50.0), "ms"),
        figure("time to 200 under load, p99", seen.percentile_ms(99.0), "ms"),
        figure("turn on the rule path, p50", p50, "ms"),
        figure("turn on the rule path, p99", p99, "ms"),
        figure("conversations left unanswered", unanswered, ""),
        figure("memory of the server (with the load it is given)", memory, "MB"),
        figure("growth per opened conversation", bytes_each, "bytes"),
    ])
}

fn message(mixed: u64) -> String {
    if mixed % 10 < 3 {
        return SMALL_TALK[(mixed / 10) as usize % SMALL_TALK.len()].to_owned();
    }
    let pick = (mixed / 10) as usize % (SUBJECTS.len() * FORMS.len());
    FORMS[pick % FORMS.len()].replace("{}", SUBJECTS[pick / FORMS.len()])
}

/// Waits until every message is answered.
async fn settle(ground: &Ground, limit: Duration) -> anyhow::Result<()> {
    let started = Instant::now();
    while ground.sql("select count(*) from conversation_cursor where head_seq > acked_seq")? != "0" {
        anyhow::ensure!(started.elapsed() < limit, "messages were still unanswered after {limit:?}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}
