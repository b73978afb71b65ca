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
-- from the transaction, never from an argument, and the function fails without one. Word by word, with each word's query
-- in a variable: called within a query, product_query would be made anew for every product that is looked at.
create function product_spelling(p_words text[], p_sounds text[])
returns table (typed text, meant text)
language plpgsql stable security definer
set search_path = public, pg_temp set enable_seqscan = off set pg_trgm.similarity_threshold = 0.4 as $$
#variable_conflict use_column
declare
  v_tenant constant uuid := current_setting('app.tenant_id')::uuid;
  v_query tsquery;
  v_meant text;
begin
  for i in 1 .. coalesce(cardinality(p_words), 0) loop
    continue when exists (select from product_word w where w.tenant_id = v_tenant and w.word = p_words[i]);
    v_query := product_query(p_words[i]);
    continue when v_query is null
      or exists (select from product p where p.tenant_id = v_tenant and p.words @@ v_query limit 1);
    select w.word into v_meant from product_word w
    where w.tenant_id = v_tenant and w.sound = p_sounds[i] order by w.word limit 1;
    if not found then
      select w.word into v_meant from product_word w
      where w.tenant_id = v_tenant and w.word % p_words[i]
      order by similarity(w.word, p_words[i]) desc, w.word limit 1;
    end if;
    if found then
      typed := p_words[i];
      meant := v_meant;
      return next;
    end if;
  end loop;
end
$$;

-- Products of the current tenant by the words of a question, best first: what can be had before what cannot.
-- SECURITY DEFINER as above.
-- `p_named`: what the question names, without the words of asking. What has all of it is what was asked for; only where
-- nothing has, or nothing of it can be had, any word of the question will do: of common words a large shop has tens of thousands of products, and
-- ranking them all is for nobody.
create function search_products(p_question text, p_named text, p_limit bigint)
returns table (product_id uuid, can_be_had boolean, score real)
language plpgsql stable security definer
set search_path = public, pg_temp set enable_seqscan = off as $$
#variable_conflict use_column
declare
  v_tenant constant uuid := current_setting('app.tenant_id')::uuid;
  v_any constant tsquery := product_query(p_question);
  v_all constant tsquery := plainto_tsquery(text_configuration('pt'), fold_text(p_named))
                            || plainto_tsquery(text_configuration('en'), fold_text(p_named));
  v_query tsquery := v_any;
begin
  if v_any is null then
    return;
  end if;
  if numnode(v_all) > 0
     and exists (
       select from (select p.product_id from product p
                    where p.tenant_id = v_tenant and p.listed and p.words @@ v_all limit 200) named
       join variant s on s.tenant_id = v_tenant and s.product_id = named.product_id
       where s.sellable and s.price_minor is not null and (s.on_hand is null or s.on_hand > s.reserved)) then
    v_query := v_all;
  end if;
  return query
    with ranked as (
      select p.product_id, ts_rank(p.words, v_any, 1) as score
      from product p
      where p.tenant_id = v_tenant and p.listed and p.words @@ v_query
      order by 2 desc, 1
      -- Whether the best of them can be had is looked at, not whether all can.
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

revoke execute on function product_spelling(text[], text[]), search_products(text, text, bigint) from public;
grant execute on function product_spelling(text[], text[]), search_products(text, text, bigint) to balcao_app;
