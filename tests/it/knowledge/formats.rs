//! A shop's folder as shops have them: each kind of file is read, and found under its name.

use std::path::PathBuf;

use super::world::{World, ids};

fn documents() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/documents")
}

/// A shop with everything of the folder.
async fn stocked() -> (World, balcao_retrieval::Report) {
    let world = World::new().await;
    let report =
        world.ingestor.ingest_path(&world.aurora, "default", &documents(), &|_| ()).await.expect("a report");
    (world, report)
}

#[tokio::test]
async fn what_each_kind_of_file_says_is_found_under_its_name() {
    let (world, _) = stocked().await;
    for (question, source, words) in [
        ("quem paga o frete da devolucao do tamanho errado", "trocas.html", "por conta do cliente"),
        ("qual o tipo da bateria da luminaria", "manual.pdf", "18650"),
        ("quantos meses de garantia tem a cafeteira serra", "garantia.docx", "18"),
        ("quanto custa a instalacao de chuveiro", "instalacao.xlsx", "119.9"),
        ("frete para o nordeste", "frete.csv", "R$ 34,90"),
        ("vcs emitem nota fiscal?", "perguntas.json", "por e-mail"),
        ("ventilador brisa funciona em 220v?", "produtos.jsonl", "bivolt"),
        ("validade do cartao presente", "pacote.zip/ajuda/cartao-presente.md", "dezoito meses"),
        ("a loja abre sabado?", "pacote.zip/ajuda/horario.txt", "sábados das dez"),
    ] {
        let found = world.ask(&world.aurora, question).await;
        let best = &found.hits[0];
        assert_eq!(best.source, source, "{question}: {}", best.text);
        assert!(best.text.contains(words), "{question}: {}", best.text);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named_with_its_reason_and_stops_nothing() {
    let (world, report) = stocked().await;
    assert_eq!(report.documents, 9);
    let mut failed: Vec<_> = report.failed.iter().map(|f| (f.uri.as_str(), f.reason.as_str())).collect();
    failed.sort_unstable();
    let expected = [
        ("contrato-escaneado.pdf", "is a scan: its 2 page(s)"),
        ("manual-cortado.pdf", "the PDF is damaged"),
        ("manual-protegido.pdf", "protected by a password"),
        ("pacote.zip/../fora.md", "leads out of the archive"),
        ("pacote.zip/ajuda/foto.jpg", "of this kind are not read"),
    ];
    assert_eq!(failed.len(), expected.len(), "{failed:?}");
    for ((uri, reason), (expected_uri, words)) in failed.iter().zip(expected) {
        assert_eq!(*uri, expected_uri);
        assert!(reason.contains(words), "{uri}: {reason}");
    }
    let again = world.ingestor.ingest_path(&world.aurora, "default", &documents(), &|_| ()).await;
    let again = again.expect("a report");
    assert_eq!((again.documents, again.embedded, again.unchanged), (9, 0, report.passages));
}

#[tokio::test]
async fn what_surrounds_the_content_of_files_is_not_in_the_index() {
    let (world, _) = stocked().await;
    for (uri, words) in [
        ("manual.pdf", "Página"),
        ("trocas.html", "direitos reservados"),
        ("trocas.html", "Buscar"),
        ("trocas.html", "rastreador"),
        ("instalacao.xlsx", "margem secreta"),
    ] {
        let passages = ids(&world, uri).await;
        assert!(!passages.is_empty(), "{uri}");
        assert!(passages.iter().all(|(_, text)| !text.contains(words)), "{uri}: {words}");
    }
}
