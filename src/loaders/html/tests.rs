use super::*;

fn markdown(page: &str) -> String {
    read(page.as_bytes(), &Options::default()).expect("a page").text
}

#[test]
fn a_page_is_its_content_without_menus_scripts_and_forms() {
    let page = "<html><head><title>Trocas | Loja</title><style>p{}</style></head><body>\
        <header><a href=/>Loja</a></header><nav><a href=/a>Início</a></nav>\
        <div class='menu-lateral menu'><a href=1>Um</a><a href=2>Dois</a><a href=3>Três</a><a href=4>Quatro</a></div>\
        <h1>Trocas e\n devoluções</h1><p>Até <b>7</b>&nbsp;dias,<br>sem custo.</p><script>var x='<p>não</p>'</script>\
        <ol start=2><li><p>Peça</p><p>o código</p></li><li>Poste<ul><li>nos Correios</li></ul></li></ol>\
        <details><summary>E se passar?</summary><p hidden>Fale conosco.</p></details>\
        <form><label>E-mail</label><input value=x><button>Enviar</button></form>\
        <footer>CNPJ 00</footer></body></html>";
    let document = read(page.as_bytes(), &Options::default()).expect("a page");
    assert_eq!(document.title.as_deref(), Some("Trocas e devoluções"));
    let expected = "# Trocas e devoluções\n\nAté 7 dias,\nsem custo.\n\n2. Peça o código\n3. Poste\n  - nos Correios\
                    \n\n### E se passar?\n\nFale conosco.\n\nE-mail";
    assert_eq!(text::clean(&document.text), expected);
}

#[test]
fn a_header_of_the_content_is_content_and_that_of_the_page_is_not() {
    let page = "<header>Loja</header><main><article><header><h1>Prazo</h1></header>3 dias\
                <footer>Vale no Brasil</footer></article></main>";
    assert_eq!(markdown(page), "# Prazo\n\n3 dias\n\nVale no Brasil");
}

#[test]
fn tables_keep_their_columns_and_what_spans_is_said_of_each() {
    let page = "<table><caption>Medidas</caption><tr><th rowspan=2>Tamanho<th colspan=2>Medidas\
        <tr><th>Busto<th>Cintura<tr><td rowspan=2>P<td>86<td>68<tr><td>88<td>70</table>";
    let expected = "Medidas\n\n| Tamanho | Medidas Busto | Medidas Cintura |\n| --- | --- | --- |\n\
                    | P | 86 | 68 |\n| P | 88 | 70 |";
    assert_eq!(markdown(page), expected);
}

#[test]
fn a_table_that_lays_out_is_read_as_what_it_holds() {
    let page = "<table><tr><td><h2>Frete</h2><p>Grátis</p></td><td><ul><li>Sul</li></ul></td></tr></table>";
    assert_eq!(markdown(page), "## Frete\n\nGrátis\n\n- Sul");
}

#[test]
fn a_page_of_links_alone_is_read_all_the_same() {
    let page =
        "<ul><li><a href=1>Trocas</a><li><a href=2>Frete</a><li><a href=3>Pix</a><li><a href=4>Loja</a></ul>";
    assert_eq!(markdown(page), "- Trocas\n- Frete\n- Pix\n- Loja");
}

#[test]
fn the_encoding_a_page_names_is_believed() {
    let page = b"<meta charset=\"iso-8859-2\"><p>za\xbf\xf3\xb3\xe6</p>";
    assert_eq!(read(page, &Options::default()).expect("a page").text, "zażółć");
}

#[test]
fn a_page_that_scripts_fill_says_so() {
    let why = read(b"<body><div id=root></div><script>start()</script></body>", &Options::default());
    assert!(why.expect_err("nothing to read").to_string().contains("scripts"));
}

#[test]
fn deep_pages_are_read_and_endless_ones_refused() {
    let deep = |n: usize| format!("{}fundo{}", "<div>".repeat(n), "</div>".repeat(n));
    assert_eq!(markdown(&deep(1_500)), "fundo");
    let endless = ["<div>".repeat(500_000), "<b><i><span>".repeat(300_000), {
        let fonts: String = (0..1_000).map(|n| format!("<font a={n}>")).collect();
        fonts + &"<p>x".repeat(500_000)
    }];
    for page in endless {
        let why = read(page.as_bytes(), &Options::default()).expect_err("too deep").to_string();
        assert!(why.contains("nested"), "{why}");
    }
}
