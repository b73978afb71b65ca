//! The local embedding model: texts a second in bulk, one question alone, memory.

use std::{sync::Arc, time::Instant};

use balcao_llm::e5::Kind;

use super::{Figure, figure, load::percentile, resident_mb};
use crate::{boot, config::Config};

/// About 180 tokens of Portuguese, as a passage has.
const PASSAGE: &str = "A troca pode ser feita em até 30 dias corridos depois do recebimento do pedido, desde que a peça esteja sem uso, \
com a etiqueta e na embalagem original. Para pedir a troca, responda a esta conversa com o número do pedido e a foto da peça; \
enviamos um código de postagem que vale por dez dias em qualquer agência dos Correios. Quando a peça chega à nossa loja, conferimos \
em até dois dias úteis e enviamos a nova, ou um vale-troca com o valor pago. A primeira troca de cada pedido é gratuita; a partir da \
segunda, o frete é por conta do cliente. Peças íntimas, brincos e artigos feitos sob medida não podem ser trocados, a não ser que tenham \
defeito. Em caso de defeito, o prazo da garantia legal é de noventa dias, contados da data em que o produto foi recebido.";
const QUESTION: &str = "qual o prazo pra trocar uma camiseta?";

/// Measures.
pub async fn measure(config: &Config) -> anyhow::Result<Vec<Figure>> {
    let assets = config.assets_dir.clone();
    tokio::task::spawn_blocking(move || {
        let before = resident_mb();
        let started = Instant::now();
        let model = Arc::new(boot::embedder(&assets)?);
        let loaded = started.elapsed();
        let memory = resident_mb() - before;
        let tokens = model.tokens(Kind::Passage, PASSAGE).len();

        let texts: Vec<String> = (0..192).map(|number| format!("{number}. {PASSAGE}")).collect();
        model.embed_batch_blocking(Kind::Passage, &texts[..8], model.threads())?;
        let started = Instant::now();
        model.embed_batch_blocking(Kind::Passage, &texts, model.threads())?;
        let bulk = texts.len() as f64 / started.elapsed().as_secs_f64();

        let mut micros = Vec::new();
        for number in 0..200 {
            let question = format!("{QUESTION} {number}");
            let started = Instant::now();
            model.embed_blocking(Kind::Query, &question)?;
            micros.push(started.elapsed().as_micros() as u32);
        }
        micros.sort_unstable();
        Ok(vec![
            figure(
                format!("embedding in bulk, {tokens} tokens a text, {} threads", model.threads()),
                bulk,
                "texts/s",
            ),
            figure("embedding one question, one thread, p50", percentile(&micros, 50.0) / 1_000.0, "ms"),
            figure("embedding one question, one thread, p99", percentile(&micros, 99.0) / 1_000.0, "ms"),
            figure("embedding model, memory", memory, "MB"),
            figure("embedding model, load", loaded.as_secs_f64() * 1_000.0, "ms"),
        ])
    })
    .await?
}
