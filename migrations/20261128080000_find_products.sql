-- Products are found by words that are misspelt, and quickly in a large shop.

-- The words that a shop's products are made of, so that a customer's word can be held against them. Words stay when
-- their last product leaves: a word that names nothing any more is found by nobody.
create table product_word (
  tenant_id uuid not null references tenant (tenant_id) on delete cascade,
  -- In small letters, without accents.
  word text not null,
  -- How it is spoken (balcao_domain::text::sound).
  sound text not null,
  constraint product_word_pkey primary key (tenant_id, word)
);
create index product_word_sound on product_word (tenant_id, sound);
create index product_word_letters on product_word using gin (tenant_id, word gin_trgm_ops);

select wall_in('product_word'), let_owner_pass('product_word'), let_owner_pass('product'), let_owner_pass('variant');

-- What the words of a question may have meant: only words that no product of the shop has, each with the word that
-- sounds the same, else the one whose letters are nearest.
--
-- SECURITY DEFINER, because row security keeps the planner from using trigrams and `@@` with an index. The tenant comes
-- from the transaction, never from an argument, and the function fails without one.
create function product_spelling(p_words text[], p_sounds text[])
returns table (typed text, meant text)
language plpgsql stable security definer
set search_path = public, pg_temp set enable_seqscan = off set pg_trgm.similarity_threshold = 0.4 as $$
#variable_conflict use_column
declare
  v_tenant constant uuid := current_setting('app.tenant_id')::uuid;
begin
  return query
    select a.word, m.word
    from unnest(p_words, p_sounds) as a (word, sound)
    cross join lateral (
      select n.word
      from (
        (select w.word, 1.0::real as near from product_word w
         where w.tenant_id = v_tenant and w.sound = a.sound order by w.word limit 3)
        union all
        (select w.word, similarity(w.word, a.word) from product_word w
         where w.tenant_id = v_tenant and w.word % a.word order by 2 desc, 1 limit 3)
      ) n
      order by n.near desc, n.word
      limit 1
    ) m
    where product_query(a.word) is not null
      and not exists (select from product_word w where w.tenant_id = v_tenant and w.word = a.word)
      and not exists (select from product p where p.tenant_id = v_tenant and p.words @@ product_query(a.word));
end
$$;

-- Products of the current tenant by the words of a question, best first: what can be had before what cannot.
-- SECURITY DEFINER as above.
create function search_products(p_question text, p_limit bigint)
returns table (product_id uuid, can_be_had boolean, score real)
language plpgsql stable security definer
set search_path = public, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_tenant constant uuid := current_setting('app.tenant_id')::uuid;
  v_query constant tsquery := product_query(p_question);
begin
  if v_query is null then
    return;
  end if;
  return query
    with ranked as (
      select p.product_id, ts_rank(p.words, v_query, 1) as score
      from product p
      where p.tenant_id = v_tenant and p.listed and p.words @@ v_query
      order by 2 desc, 1
      -- A word that thousands have tells nothing: whether the best of them can be had is looked at, not all.
      limit greatest(p_limit * 10, 100)
    )
    select r.product_id,
           exists (select from variant s where s.tenant_id = v_tenant and s.product_id = r.product_id
                     and s.sellable and s.price_minor is not null and (s.on_hand is null or s.on_hand > s.reserved)) as had,
           r.score
    from ranked r
    order by 2 desc, 3 desc, 1
    limit p_limit;
end
$$;

revoke execute on function product_spelling(text[], text[]), search_products(text, bigint) from public;
grant execute on function product_spelling(text[], text[]), search_products(text, bigint) to balcao_app;
