-- What a conversation about buying looks up again and again.

create index variant_sku on variant (tenant_id, sku);
create index variant_external on variant (tenant_id, external_id);
create index product_external on product (tenant_id, external_id);

-- Where a customer stands in buying is kept with the turn that led there; few turns have to do with it.
create index turn_sale on turn (tenant_id, conversation_id, last_seq) where outcome #> '{evidence,sale}' is not null;
