-- Lexical search ranks by BM25 (Robertson and Zaragoza, 2009; k1 = 1.2, b = 0.75, Lucene's idf, which is never negative),
-- in SQL and behind the signature it had: no second store that could drift from the passages, and every statistic is the
-- shop's own, read in the same snapshot as what it ranks.
--
-- What BM25 needs is there already. How often a lexeme stands in a passage: its tsvector. In how many passages: the rows
-- the GIN index returns for it, counted. How long a passage is: its tokens, as the embedding model counts them.

-- How many passages a shop has in a language, and how long they are: read off the index alone.
create index passage_length on passage (tenant_id, language) include (token_count);

-- The lexemes of a question with how often it says them, in their order. A question of a customer has five to twenty; a
-- long story that repeats a word means it more. Ranking costs grow with their number.
create function question_lexemes(language text, question text) returns table (lexeme text, times integer)
  language sql immutable parallel safe
begin atomic
  select w.lexeme, cardinality(w.positions)
  from unnest(to_tsvector(text_configuration(language), fold_text(question))) w
  order by w.positions[1]
  limit 256;
end;

-- How often one lexeme stands in a text. Postgres has no function that says so short of unpacking the whole vector, but
-- ts_rank tells: with all weights 1 and no normalisation it is (1/1 + 1/4 + ... + 1/k^2) / 1.64493406685 for k
-- occurrences. The steps lie half-way between two neighbouring sums. Counts from 32 on are taken for 32, where BM25's
-- saturation has long set in.
create function lexeme_frequency(words tsvector, lexeme tsquery) returns integer
  language sql immutable parallel safe
  return width_bucket(
    (ts_rank('{1, 1, 1, 1}', words, lexeme, 0) * 1.64493406685)::float8,
    array[
      0.500000, 1.125000, 1.305556, 1.392361, 1.443611, 1.477500, 1.501593, 1.519610,
      1.533595, 1.544768, 1.553900, 1.561504, 1.567935, 1.573445, 1.578218, 1.582393,
      1.586077, 1.589350, 1.592278, 1.594913, 1.597297, 1.599464, 1.601442, 1.603255,
      1.604923, 1.606463, 1.607889, 1.609212, 1.610444, 1.611595, 1.612670, 1.613679
    ]::float8[]
  );

-- SECURITY DEFINER for the reason it always was: row security keeps the planner from using `@@` with an index. The
-- tenant comes from the transaction, never from an argument, and the function fails without one.
--
-- `enable_seqscan = off`: a prepared plan does not know how rare a word is, and must not read the table for it.
create or replace function search_passages_by_words(p_question text, p_collection text, p_limit integer)
returns table (passage_id uuid, document_id uuid, score real)
language plpgsql stable security definer
set search_path = public, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_tenant constant uuid := current_setting('app.tenant_id')::uuid;
  k1 constant float8 := 1.2;
  b constant float8 := 0.75;
begin
  return query
    with term as materialized (
      -- Each passage is ranked by the words as its own language stems them.
      select l.language, w.lexeme, w.times,
             ('''' || replace(replace(w.lexeme, '\', '\\'), '''', '''''') || '''')::tsquery as query
      from unnest(array['pt', 'en']) l (language), question_lexemes(l.language, p_question) w
    ),
    extent as materialized (
      select p.language, count(*)::float8 as passages, greatest(avg(p.token_count)::float8, 1) as mean_length
      from passage p
      where p.tenant_id = v_tenant and p.language in ('pt', 'en')
      group by p.language
    ),
    -- One row for each lexeme of the question in each passage that has it.
    posting as (
      select p.passage_id, p.document_id, t.times, e.passages, p.token_count / e.mean_length as relative_length,
             lexeme_frequency(p.words, t.query)::float8 as frequency,
             count(*) over (partition by t.language, t.lexeme)::float8 as holders
      from term t
      join extent e on e.language = t.language
      join passage p on p.tenant_id = v_tenant and p.words @@ t.query and p.language = t.language
    )
    select r.passage_id, r.document_id,
           sum(r.times * ln(1 + (r.passages - r.holders + 0.5) / (r.holders + 0.5))
               * r.frequency / (r.frequency + k1 * (1 - b + b * r.relative_length)))::real
    from posting r
    -- Only now: a word is as rare as it is in the whole shop, whichever collection is asked for.
    where p_collection is null or r.document_id = any(array(
            select d.document_id from document d where d.tenant_id = v_tenant and d.collection = p_collection))
    group by r.passage_id, r.document_id
    order by 3 desc, 1
    limit p_limit;
end
$$;

drop function any_word_query(text, text);
