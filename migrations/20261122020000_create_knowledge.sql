-- What a shop's documents say: documents, their passages, the passages' vectors, and the jobs that bring them in.
--
-- Why so:
-- * A passage and its vector are two tables. Exact search reads only vectors: kept out of TOAST (`storage plain`)
--   and away from the text, five rows fit a page. Rows of `passage_embedding` are never updated.
-- * Accents are folded on both sides: customers type without them.
-- * `content_hash` of a passage covers everything that is embedded (title, headings, text, language): equal hashes
--   mean equal vectors, so a changed document touches only its changed passages.
-- * `knowledge_index.version` rises with every change, so that caches know when they are stale.
--
-- The code that runs before this migration knows none of these tables.

-- Already there where the server prepared the database: only the migrating user may add them.
create extension if not exists vector;
create extension if not exists unaccent;
create extension if not exists btree_gin;

-- `unaccent` is marked stable because its rules file could change; ours does not, and an index needs immutable.
-- A slash joins words into one "file path" token for Postgres' parser: "cama/mesa" must be two words.
create function fold_text(value text) returns text
  language sql immutable strict parallel safe
  return lower(public.unaccent('public.unaccent'::regdictionary, translate(value, '/\', '  ')));

create function text_configuration(language text) returns regconfig
  language sql immutable parallel safe
  return case language
    when 'pt' then 'pg_catalog.portuguese'::regconfig
    when 'en' then 'pg_catalog.english'::regconfig
    else 'pg_catalog.simple'::regconfig
  end;

-- What lexical search sees of a passage: the same words that are embedded.
create function passage_words(language text, title text, headings text[], body text) returns tsvector
  language sql immutable parallel safe
  return to_tsvector(
    text_configuration(language),
    fold_text(concat_ws(' ', title, array_to_string(headings, ' '), body))
  );

-- The lexemes of a question, OR-ed: with AND, one missing word would hide every passage.
-- Null when nothing is left of it (only stop words or punctuation).
create function any_word_query(language text, question text) returns tsquery
  language sql immutable parallel safe
  return (
    select string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
    from (
      select lexeme
      from unnest(to_tsvector(text_configuration(language), fold_text(question)))
      order by positions[1]
      -- Ranking costs grow with the number of words; a question of a customer has five to twenty.
      limit 128
    ) word
  );

create table document (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  document_id uuid not null,
  collection text not null,
  -- Where it came from: a path or a URL, unique within its collection.
  uri text not null,
  title text not null,
  -- ISO 639-1.
  language text not null,
  media_type text not null,
  -- SHA-256 of the bytes as they came in, and of the splitter's version.
  content_hash bytea not null,
  bytes bigint not null,
  passages integer not null default 0,
  -- `ready`; or `lexical`: found by its words only, because its vectors are still missing.
  status text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, document_id),
  constraint document_uri_unique unique (tenant_id, collection, uri),
  constraint document_status_known check (status in ('ready', 'lexical'))
);

create table passage (
  tenant_id uuid not null,
  passage_id uuid not null,
  document_id uuid not null,
  -- Position within the document, from 0.
  ordinal integer not null,
  -- The headings above it, outermost first.
  headings text[] not null,
  text text not null,
  language text not null,
  content_hash bytea not null,
  -- As the embedding model counts them.
  token_count integer not null,
  words tsvector not null,
  primary key (tenant_id, passage_id),
  constraint passage_document_fkey foreign key (tenant_id, document_id)
    references document (tenant_id, document_id) on delete cascade
);

-- Not unique: passages that move within their document are renumbered row by row.
create index passage_position on passage (tenant_id, document_id, ordinal);
create index passage_content on passage (tenant_id, content_hash);
-- The tenant comes first, so that one shop's common words are not looked up among every shop's.
create index passage_words_search on passage using gin (tenant_id, words);

create table passage_embedding (
  tenant_id uuid not null,
  passage_id uuid not null,
  -- The first four bytes of the SHA-256 of the model's id: vectors of two models live side by side while a shop
  -- moves from one to the other, and a number keeps five rows on a page where a name would leave four.
  model_key integer not null,
  document_id uuid not null,
  -- Of length 1, so the inner product is the cosine.
  embedding vector(384) not null,
  primary key (tenant_id, passage_id, model_key),
  constraint passage_embedding_passage_fkey foreign key (tenant_id, passage_id)
    references passage (tenant_id, passage_id) on delete cascade
);
alter table passage_embedding alter column embedding set storage plain;

create table knowledge_index (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  version bigint not null,
  updated_at timestamptz not null default now(),
  primary key (tenant_id)
);

create table ingestion_job (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  job_id uuid not null,
  -- What to ingest: {"kind": "path", ...} or {"kind": "upload", ...}.
  task jsonb not null,
  -- The bytes of an upload; dropped when the job is done.
  payload bytea,
  -- `queued`, `running`, `done`, `failed`.
  state text not null default 'queued',
  files_total integer not null default 0,
  files_done integer not null default 0,
  -- What was done, as the API shows it.
  report jsonb,
  error text,
  attempts integer not null default 0,
  -- The worker that holds it, and until when; after that another may take it.
  lease_owner text,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, job_id),
  constraint ingestion_job_state_known check (state in ('queued', 'running', 'done', 'failed'))
);
-- Across shops, oldest first: what ingestion_job_claim reads.
create index ingestion_job_open_route on ingestion_job (created_at) where state in ('queued', 'running');

select wall_in('document'), wall_in('passage'), let_owner_pass('passage'), wall_in('passage_embedding'),
  wall_in('knowledge_index'), wall_in('ingestion_job'), let_owner_pass('ingestion_job');
-- search_passages_by_words limits itself to a collection.
select let_owner_pass('document');

-- Passages of the current tenant that share words with a question, best first.
--
-- SECURITY DEFINER, because row security keeps the planner from using `@@` with an index (the operator is not leakproof):
-- a rare word in a large shop would cost a scan. The tenant comes from the transaction, never from an argument, and
-- the function fails without one.
--
-- The ranker: the question's lexemes OR-ed, ts_rank with normalisation 1 (divided by 1 + log of the length). A true
-- BM25 may take its place behind this signature.
create function search_passages_by_words(p_question text, p_collection text, p_limit integer)
returns table (passage_id uuid, document_id uuid, score real)
language plpgsql stable security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  v_tenant constant uuid := current_setting('app.tenant_id')::uuid;
  v_pt constant tsquery := any_word_query('pt', p_question);
  v_en constant tsquery := any_word_query('en', p_question);
  v_any constant tsquery := case when v_pt is null then v_en when v_en is null then v_pt else v_pt || v_en end;
begin
  if v_any is null then
    return;
  end if;
  return query
    select r.passage_id, r.document_id, r.score
    from (
      select p.passage_id, p.document_id,
             -- Each passage is ranked by the words as its own language stems them.
             ts_rank(p.words, coalesce(case p.language when 'en' then v_en else v_pt end, v_any), 1) as score
      from passage p
      where p.tenant_id = v_tenant
        and p.words @@ v_any
        and (p_collection is null or p.document_id = any(array(
              select d.document_id from document d where d.tenant_id = v_tenant and d.collection = p_collection)))
      order by 3 desc, 1
      limit p_limit
    ) r
    -- Zero: only the other language's reading of a word matched.
    where r.score > 0
    order by r.score desc, r.passage_id;
end
$$;

-- The oldest job that is free, of any shop: a worker does not know whose turn it is. A job whose worker went silent
-- is free again, and given up after `p_attempts` of them.
create function ingestion_job_claim(p_worker text, p_lease_ms bigint, p_attempts integer)
returns table (tenant_id uuid, job_id uuid)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
begin
  update ingestion_job j
  set state = 'failed', error = coalesce(j.error, 'the worker stopped before it was done'), payload = null,
      lease_owner = null, lease_until = null, updated_at = clock_timestamp()
  where j.state = 'running' and j.lease_until < clock_timestamp() and j.attempts >= p_attempts;

  return query
    update ingestion_job j
    set state = 'running', attempts = j.attempts + 1, lease_owner = p_worker,
        lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond', updated_at = clock_timestamp()
    from (
      select o.tenant_id, o.job_id
      from ingestion_job o
      where o.state = 'queued' or (o.state = 'running' and o.lease_until < clock_timestamp())
      order by o.created_at
      limit 1
      for no key update skip locked
    ) free
    where j.tenant_id = free.tenant_id and j.job_id = free.job_id
    returning j.tenant_id, j.job_id;
end
$$;

revoke execute on function search_passages_by_words(text, text, integer), ingestion_job_claim(text, bigint, integer)
  from public;
grant execute on function search_passages_by_words(text, text, integer), ingestion_job_claim(text, bigint, integer)
  to balcao_app;
