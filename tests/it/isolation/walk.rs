//! Walks the database's own catalogue and tries every table with every verb as somebody who must not.
//!
//! Nothing here names a table: rows are made up from the types and constraints the catalogue knows, so a table
//! that is added tomorrow is tried tomorrow.

use balcao_store::admin::{Admin, Refusal};
use balcao_tests::database::TestDb;

/// Two shops, each with one row in every table.
pub const A: &str = "aaaaaaaa-0000-7000-8000-000000000000";
pub const B: &str = "bbbbbbbb-0000-7000-8000-000000000000";

/// "new row violates row-level security policy", and "permission denied".
const FORBIDDEN: &str = "42501";
/// What a statement without a tenant fails with: the setting was never made, or is empty.
const NO_TENANT: [&str; 2] = ["42704", "22P02"];

pub struct Table {
    pub name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    kind: String,
    /// The first word a check allows, if one lists words.
    word: Option<String>,
}

/// Every table that holds a shop's data.
pub async fn tables(admin: &mut Admin) -> Vec<Table> {
    let names = admin
        .rows(
            "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
             where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
               and a.attname = 'tenant_id' and not a.attisdropped
             order by 1",
        )
        .await
        .unwrap();
    let mut tables = Vec::new();
    for name in names.into_iter().map(|row| row[0].clone().unwrap()) {
        let columns = admin
            .rows(&format!(
                "select a.attname, format_type(a.atttypid, a.atttypmod),
                        (select substring(pg_get_constraintdef(k.oid) from '''([a-z_]+)''::text')
                         from pg_constraint k
                         where k.conrelid = a.attrelid and k.contype = 'c' and k.conkey = array[a.attnum]
                           and pg_get_constraintdef(k.oid) like '%= ANY%' limit 1)
                 from pg_attribute a
                 where a.attrelid = '{name}'::regclass and a.attnum > 0 and not a.attisdropped
                   and a.attgenerated = '' and a.attidentity = ''
                 order by a.attnum"
            ))
            .await
            .unwrap();
        let columns = columns
            .into_iter()
            .map(|row| Column {
                name: row[0].clone().unwrap(),
                kind: row[1].clone().unwrap(),
                word: row[2].clone(),
            })
            .collect();
        tables.push(Table { name, columns });
    }
    tables
}

impl Table {
    /// A statement that adds a row of this tenant.
    fn insert(&self, tenant: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = self.columns.iter().map(|column| column.value(tenant)).collect();
        format!("insert into {} ({}) values ({})", self.name, names.join(", "), values.join(", "))
    }
}

impl Column {
    fn value(&self, tenant: &str) -> String {
        if self.name == "tenant_id" {
            return format!("'{tenant}'");
        }
        if let Some(word) = &self.word {
            return format!("'{word}'");
        }
        match self.kind.as_str() {
            "uuid" => "gen_random_uuid()".into(),
            "text" | "character varying" => "'x' || substr(md5(random()::text), 1, 8)".into(),
            "bytea" => "sha256(random()::text::bytea)".into(),
            "jsonb" | "json" => "'{}'".into(),
            "boolean" => "false".into(),
            "xid8" => "pg_current_xact_id()".into(),
            "tsvector" => "''".into(),
            kind if kind.starts_with("timestamp") || kind == "date" => "now()".into(),
            kind if kind.starts_with("vector(") => {
                let length = kind.trim_start_matches("vector(").trim_end_matches(')');
                format!("array_fill(0.1::real, array[{length}])::vector")
            }
            kind if kind.ends_with("[]") => "'{}'".into(),
            kind if ["bigint", "integer", "smallint", "real", "double precision"].contains(&kind)
                || kind.starts_with("numeric") =>
            {
                "1".into()
            }
            kind => panic!("teach this test to make up a value of type `{kind}`"),
        }
    }
}

/// Gives both shops a row in every table. As superuser and without foreign keys: what the rows say does not matter.
pub async fn fill(admin: &mut Admin, tables: &[Table]) {
    for table in tables {
        for tenant in [A, B] {
            let insert = table.insert(tenant);
            admin
                .execute(&format!(
                    "set session_replication_role = replica; {insert}; reset session_replication_role"
                ))
                .await
                .unwrap_or_else(|e| panic!("cannot make up a row of `{}`: {e}: {insert}", table.name));
        }
    }
}

/// Everything that is wrong with the wall around these tables.
pub async fn violations(db: &TestDb, tables: &[Table]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut admin = db.admin().await;
    for table in tables {
        structure(&mut admin, table, &mut wrong).await;
    }
    let mut runtime = db.runtime().await;
    for table in tables {
        // A fresh session has never heard of the setting; later it is an empty string. Both must fail.
        let mut fresh = db.runtime().await;
        nobody(&mut fresh, None, table, &mut wrong).await;
        fresh.close().await;
        nobody(&mut runtime, Some(""), table, &mut wrong).await;
        neighbour(&mut runtime, table, &mut wrong).await;
    }
    wrong
}

async fn structure(admin: &mut Admin, table: &Table, wrong: &mut Vec<String>) {
    let name = &table.name;
    let flags = admin
        .rows(&format!(
            "select relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) from pg_class
             where oid = '{name}'::regclass"
        ))
        .await
        .unwrap();
    let on = Some("t".to_owned());
    if flags[0][0] != on || flags[0][1] != on {
        wrong.push(format!("{name}: row security is not enabled and forced"));
    }
    if flags[0][2].as_deref() != Some("balcao_owner") {
        wrong.push(format!("{name}: not owned by balcao_owner"));
    }
    let policies = admin
        .rows(&format!(
            "select polname, polcmd,
                    coalesce(pg_get_expr(polqual, polrelid), '') like '%tenant_id = %current_setting(''app.tenant_id''::text)%',
                    coalesce(pg_get_expr(polwithcheck, polrelid), '') like '%tenant_id = %current_setting(''app.tenant_id''::text)%'
             from pg_policy
             where polrelid = '{name}'::regclass and polroles <> array['balcao_owner'::regrole::oid]"
        ))
        .await
        .unwrap();
    if policies.len() != 1 {
        wrong.push(format!("{name}: {} policies apply to the server's role, not one", policies.len()));
    }
    for policy in policies {
        if policy[1].as_deref() != Some("*") || policy[2] != on || policy[3] != on {
            wrong.push(format!("{name}: the policy {:?} is not the tenant wall", policy[0]));
        }
    }
    let keys = admin
        .rows(&format!(
            "select 'index ' || i.indexrelid::regclass, a.attname
             from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
             where i.indrelid = '{name}'::regclass
               and (i.indisunique or i.indexrelid::regclass::text not like '%_route')
             union all
             select 'foreign key ' || k.conname, a.attname
             from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
             where k.conrelid = '{name}'::regclass and k.contype = 'f'
             union all
             select 'key referenced by ' || k.conname, a.attname
             from pg_constraint k join pg_attribute a on a.attrelid = k.confrelid and a.attnum = k.confkey[1]
             where k.conrelid = '{name}'::regclass and k.contype = 'f'"
        ))
        .await
        .unwrap();
    for key in keys {
        if key[1].as_deref() != Some("tenant_id") {
            wrong.push(format!(
                "{name}: {} does not begin with tenant_id",
                key[0].clone().unwrap_or_default()
            ));
        }
    }
}

/// Shop A must see its own row, and neither see nor touch B's.
async fn neighbour(runtime: &mut Admin, table: &Table, wrong: &mut Vec<String>) {
    let name = &table.name;
    let seen = attempt_rows(runtime, Some(A), &format!("select tenant_id from {name}")).await;
    match seen {
        Ok(rows) if rows.iter().any(|row| row[0].as_deref() != Some(A)) => {
            wrong.push(format!("{name}: a shop sees another's rows"));
        }
        Ok(rows) if rows.is_empty() => wrong.push(format!("{name}: a shop does not see its own row")),
        Ok(_) => {}
        Err(e) => wrong.push(format!("{name}: a shop cannot read its own rows: {e}")),
    }
    let touches = [
        ("update", format!("update {name} set tenant_id = tenant_id where tenant_id = '{B}'")),
        ("update of everything", format!("update {name} set tenant_id = '{A}' where tenant_id <> '{A}'")),
        ("delete", format!("delete from {name} where tenant_id = '{B}'")),
    ];
    for (verb, sql) in touches {
        match attempt(runtime, Some(A), &sql).await {
            Ok(0) => {}
            Err(e) if e.code == FORBIDDEN => {}
            result => wrong.push(format!("{name}: {verb} of another shop's row: {result:?}")),
        }
    }
    let forgeries = [
        ("insert", table.insert(B)),
        ("handing a row over", format!("update {name} set tenant_id = '{B}' where tenant_id = '{A}'")),
    ];
    for (verb, sql) in forgeries {
        match attempt(runtime, Some(A), &sql).await {
            Err(e) if e.code == FORBIDDEN => {}
            result => wrong.push(format!("{name}: {verb} for another shop: {result:?}")),
        }
    }
}

/// Without a tenant nothing is seen and nothing is touched.
async fn nobody(runtime: &mut Admin, setting: Option<&str>, table: &Table, wrong: &mut Vec<String>) {
    let name = &table.name;
    let who = if setting.is_none() { "no tenant" } else { "an empty tenant" };
    let harmless = |e: &Refusal| e.code == FORBIDDEN || NO_TENANT.contains(&e.code.as_str());
    match attempt_rows(runtime, setting, &format!("select tenant_id from {name}")).await {
        Ok(rows) if rows.is_empty() => {}
        Err(e) if harmless(&e) => {}
        result => wrong.push(format!("{name}: {who} reads: {result:?}")),
    }
    for (verb, sql) in [
        ("updates", format!("update {name} set tenant_id = tenant_id")),
        ("deletes", format!("delete from {name}")),
    ] {
        match attempt(runtime, setting, &sql).await {
            Ok(0) => {}
            Err(e) if harmless(&e) => {}
            result => wrong.push(format!("{name}: {who} {verb}: {result:?}")),
        }
    }
    match attempt(runtime, setting, &table.insert(B)).await {
        Err(e) if harmless(&e) => {}
        result => wrong.push(format!("{name}: {who} inserts: {result:?}")),
    }
}

async fn attempt(runtime: &mut Admin, tenant: Option<&str>, sql: &str) -> Result<u64, Refusal> {
    begin(runtime, tenant).await;
    let result = runtime.execute(sql).await;
    runtime.execute("rollback").await.unwrap();
    result
}

async fn attempt_rows(
    runtime: &mut Admin,
    tenant: Option<&str>,
    sql: &str,
) -> Result<Vec<Vec<Option<String>>>, Refusal> {
    begin(runtime, tenant).await;
    let result = runtime.rows(sql).await;
    runtime.execute("rollback").await.unwrap();
    result
}

async fn begin(runtime: &mut Admin, tenant: Option<&str>) {
    runtime.execute("begin").await.unwrap();
    if let Some(tenant) = tenant {
        runtime.execute(&format!("select set_config('app.tenant_id', '{tenant}', true)")).await.unwrap();
    }
}
