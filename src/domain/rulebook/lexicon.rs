//! Small word lists: how customers abbreviate, and which words carry no meaning of their own.
//!
//! All words are folded (no accents, lower case). The lists are short on purpose: what a shop may want to change
//! stands in its rule pack.

/// What people write for what they mean. Both languages together: no entry means something else in the other.
#[rustfmt::skip] // one pair a line would be pages
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("vc", "voce"), ("ce", "voce"), ("vcs", "voces"), ("ces", "voces"), ("qto", "quanto"),
    ("qnto", "quanto"), ("qt", "quanto"), ("qtos", "quantos"), ("tb", "tambem"), ("tbm", "tambem"),
    ("blz", "beleza"), ("bele", "beleza"), ("pq", "porque"), ("obg", "obrigado"), ("obgd", "obrigado"),
    ("obgda", "obrigada"), ("obgdo", "obrigado"), ("brigado", "obrigado"), ("brigada", "obrigada"),
    ("brigadao", "obrigado"), ("obrigadao", "obrigado"), ("obrigadinho", "obrigado"),
    ("obrigadinha", "obrigada"), ("vlw", "valeu"), ("vlww", "valeu"), ("hj", "hoje"), ("amnh", "amanha"),
    ("msg", "mensagem"), ("msgs", "mensagens"), ("mensagen", "mensagem"), ("q", "que"), ("n", "nao"),
    ("nn", "nao"), ("naum", "nao"), ("pf", "favor"), ("pfv", "favor"), ("pfvr", "favor"),
    ("pfavor", "favor"), ("porfavor", "favor"), ("td", "tudo"), ("tds", "todos"), ("tdb", "tudobem"),
    ("tdbem", "tudobem"), ("bm", "bom"), ("qdo", "quando"), ("qnd", "quando"), ("qndo", "quando"),
    ("cmg", "comigo"), ("dps", "depois"), ("mto", "muito"), ("mt", "muito"), ("mta", "muita"),
    ("pra", "para"), ("pro", "para"), ("p", "para"), ("ta", "esta"), ("tao", "estao"), ("to", "estou"),
    ("tou", "estou"), ("cm", "com"), ("c", "com"), ("hr", "hora"), ("abs", "abraco"), ("bjs", "beijos"),
    ("bj", "beijo"), ("flw", "falou"), ("flws", "falou"), ("atend", "atendimento"), ("u", "you"),
    ("ur", "your"), ("r", "are"), ("pls", "please"), ("plz", "please"), ("plss", "please"),
    ("thx", "thanks"), ("tnx", "thanks"), ("thnx", "thanks"), ("ty", "thanks"), ("tysm", "thanks"),
    ("hrs", "hours"), ("wanna", "want"), ("gonna", "going"), ("hii", "hi"), ("helo", "hello"), ("im", "am"),
    ("whats", "what"), ("cant", "cannot"), ("lemme", "let"), ("wat", "what"), ("wen", "when"),
    ("tks", "thanks"),
];

/// Words that may stand between the words of a phrase without changing it.
#[rustfmt::skip]
const GLUE: &[&str] = &[
    "o", "a", "os", "as", "um", "uma", "uns", "umas", "eu", "me", "e", "de", "do", "da", "dos", "das", "ai",
    "ja", "so", "aqui", "agora", "muito", "mesmo", "the", "an", "i", "my", "just", "really", "very", "some",
    "now", "right", "there", "here", "is", "with",
];

/// Words around a message that say nothing by themselves: politeness, vocatives, sighs.
#[rustfmt::skip]
const FILLER: &[&str] = &[
    "por", "favor", "gentileza", "entao", "ah", "ahh", "aff", "hum", "hmm", "mm", "ne", "moco", "moca",
    "amigo", "amiga", "gente", "pessoal", "galera", "querida", "querido", "senhor", "senhora", "sr", "sra",
    "ae", "eita", "viu", "tipo", "please", "kindly", "hey", "um", "uh", "oh", "so", "sir", "madam", "maam",
    "mate", "guys", "team", "everyone", "folks", "friend", "kkk", "kk", "rs", "rsrs", "haha", "lol", "well",
    "bem", "again", "novo", "now", "agora", "ok", "okay", "it", "isso", "de",
];

/// Words that turn what follows into its opposite.
#[rustfmt::skip]
const NEGATIONS: &[&str] = &[
    "nao", "nunca", "jamais", "nem", "not", "dont", "never", "wont", "doesnt", "didnt", "cannot", "isnt",
    "shouldnt", "wouldnt", "neither",
];

/// Everyday words that must never be taken for a typo of another word.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "pagar", "pagou", "pegar", "passar", "comprar", "compra", "preco", "peca", "pecas", "prazo", "praca",
    "preto", "prata", "barra", "carro", "caro", "conta", "canto", "ponto", "pronto", "tenho", "tinha",
    "troca", "trocar", "tocar", "toalha", "folha", "filho", "filha", "falta", "faltou", "forma", "farma",
    "horta", "hotel", "houve", "aberta", "abertura", "acerto", "oferta", "ofertas", "pedido", "perdido",
    "perdida", "medida", "medidas", "pedida", "bebida", "bebidas", "cancelar", "cancela", "sabor", "saber",
    "sobre", "valor", "volta", "volto", "value", "valve", "horse", "house", "hour", "ours", "thinks",
    "think", "tanks", "things", "order", "older", "ordem", "stock", "store", "start", "stops", "steps",
    "storm", "shops", "shirt", "short", "color", "colour", "close", "clothes", "cloth", "clean", "cheap",
    "check", "chair", "phone", "place", "price", "prices", "prize", "plate", "plant", "paint", "point",
    "human", "humane", "humans", "menus", "means", "person", "persons", "parson", "reason", "season",
    "agents", "urgent", "return", "returns", "status", "states", "statue", "resume", "remove", "removes",
    "remote", "tracking", "trucking", "crack", "black", "green", "large", "hello", "hollow", "yellow",
    "carta", "cartao", "certo", "perto", "porta", "aperta", "esperto", "abrir", "sobra", "obra", "linda",
    "lindo", "manha", "banho", "minha", "linha", "vinho", "sonho", "tarde", "carne", "corte", "norte",
    "forte", "parte", "noite", "leite", "boite", "saida", "saldo", "salao", "sabao", "pente", "gente",
    "quente", "frente", "cliente", "clientes", "pendente", "pessoa", "passeio", "pessoas", "reclamado",
    "atende", "atendem", "atender", "atendeu", "entender", "entendi", "entendo", "entende", "vender",
    "vendem", "vendedor", "esquerda", "segunda", "servico", "voltar", "voltou", "soltar", "faltar",
    "valeria", "valem", "valendo", "desconto", "encontro", "bolsa", "balsa", "parede", "parado", "pareo",
    "parcela", "parcelar", "parcelas", "comida", "corrida",
];

/// Portuguese words that tell the language of a short text.
#[rustfmt::skip]
pub(super) const PORTUGUESE: &[&str] = &[
    "o", "os", "um", "uma", "de", "do", "da", "dos", "das", "em", "na", "nos", "nas", "ao", "aos", "com",
    "por", "para", "pelo", "pela", "que", "qual", "quais", "quanto", "quanta", "quantos", "quando", "onde",
    "como", "porque", "nao", "sim", "voce", "voces", "eu", "meu", "minha", "meus", "minhas", "seu", "sua",
    "ele", "ela", "esse", "essa", "isso", "este", "esta", "estao", "estou", "tem", "tenho", "tinha", "ser",
    "sou", "sao", "foi", "era", "ter", "fazer", "fazem", "faz", "quero", "queria", "gostaria", "posso",
    "pode", "podem", "preciso", "oi", "ola", "opa", "bom", "boa", "dia", "tarde", "noite", "obrigado",
    "obrigada", "valeu", "tchau", "ate", "mais", "muito", "tambem", "ja", "ainda", "hoje", "amanha",
    "ontem", "agora", "aqui", "la", "loja", "frete", "entrega", "entregam", "troca", "trocar", "pedido",
    "preco", "custa", "valor", "pagamento", "cartao", "boleto", "abre", "abrem", "fecha", "horario",
    "horarios", "atendente", "alguem", "falar", "pessoa", "favor", "beleza", "tudo", "bem", "cade",
    "comprar", "vende", "vendem", "aceita", "aceitam", "mensagem", "mensagens", "parar", "sair", "prazo",
    "dias", "horas", "reais", "tamanho", "cor", "azul", "se", "mas", "ou", "entre", "sobre", "sem", "nem",
    "funciona", "quais", "devolver", "produto", "chega", "chegou", "humano", "ajuda", "voltar", "receber",
];

/// English words that tell the language of a short text.
#[rustfmt::skip]
pub(super) const ENGLISH: &[&str] = &[
    "the", "an", "and", "or", "of", "to", "in", "on", "at", "for", "with", "from", "by", "is", "are", "was",
    "were", "be", "am", "been", "it", "its", "this", "that", "these", "those", "you", "your", "i", "my",
    "we", "our", "they", "their", "what", "which", "who", "when", "where", "why", "how", "much", "many",
    "do", "does", "did", "dont", "not", "yes", "can", "could", "would", "will", "should", "may", "have",
    "has", "had", "hi", "hello", "hey", "good", "morning", "afternoon", "evening", "night", "thanks",
    "thank", "please", "bye", "goodbye", "want", "need", "like", "buy", "order", "orders", "shipping",
    "ship", "delivery", "deliver", "return", "returns", "refund", "price", "cost", "costs", "pay",
    "payment", "card", "open", "opening", "close", "closed", "hours", "time", "today", "tomorrow",
    "yesterday", "now", "here", "there", "shop", "store", "someone", "somebody", "person", "human", "agent",
    "speak", "talk", "help", "stop", "if", "but", "about", "size", "blue", "days", "cannot", "messages",
    "message", "take", "long", "get", "give", "me", "there", "any", "some", "unsubscribe", "track",
    "package", "resume", "real",
];

/// The word a customer's word stands for.
pub(super) fn expand(word: &str) -> &str {
    ABBREVIATIONS.iter().find(|(short, _)| *short == word).map_or(word, |(_, long)| long)
}

pub(super) fn is_glue(word: &str) -> bool {
    GLUE.contains(&word)
}

pub(super) fn is_filler(word: &str) -> bool {
    FILLER.contains(&word)
}

pub(super) fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word)
}

pub(super) fn is_common(word: &str) -> bool {
    COMMON.contains(&word) || PORTUGUESE.contains(&word) || ENGLISH.contains(&word)
}
