//! That the wall stands around every table, and that the walk would notice if it did not.

use balcao_store::check;
use balcao_tests::database::{TestDb, a_tenant, no_tenant};

use super::walk::{Table, fill, tables, violations};

#[tokio::test(flavor = "multi_thread")]
async fn no_shop_and_no_stranger_sees_or_touches_anothers_row_in_any_table() {
    let db = TestDb::new().await;
    let mut admin = db.admin().await;
    let tables = tables(&mut admin).await;
    assert!(tables.len() >= 14, "only {} tables with a tenant_id were found", tables.len());
    fill(&mut admin, &tables).await;
    assert_eq!(violations(&db, &tables).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_the_schema_belongs_to_a_tenant() {
    let db = TestDb::new().await;
    let without = db
        .admin()
        .await
        .rows(
            "select c.relname from pg_class c
             where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
               and c.relname <> '_sqlx_migrations'
               and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')",
        )
        .await
        .unwrap();
    assert_eq!(without, Vec::<Vec<Option<String>>>::new());
}

/// Takes the wall of one table down in every way there is; each time the walk must say so.
#[tokio::test(flavor = "multi_thread")]
async fn the_walk_notices_every_missing_policy() {
    let db = TestDb::new().await;
    let mut admin = db.admin().await;
    let all = tables(&mut admin).await;
    fill(&mut admin, &all).await;
    let wall = "tenant_id = (select current_setting('app.tenant_id')::uuid)";
    let rebuild = |name: &str| {
        format!(
            "alter table {name} enable row level security; alter table {name} force row level security;
             drop policy if exists tenant_wall on {name}; drop policy if exists hole on {name};
             create policy tenant_wall on {name} using ({wall}) with check ({wall})"
        )
    };
    for table in &all {
        let name = &table.name;
        let ways = [
            ("dropped", format!("drop policy tenant_wall on {name}")),
            ("true for all", format!("alter policy tenant_wall on {name} using (true) with check (true)")),
            ("reading only", format!("alter policy tenant_wall on {name} with check (true)")),
            ("a second policy", format!("create policy hole on {name} for select using (true)")),
            ("not enabled", format!("alter table {name} disable row level security")),
            ("not forced", format!("alter table {name} no force row level security")),
            (
                "lenient about a missing tenant",
                format!(
                    "alter policy tenant_wall on {name}
                     using (tenant_id = coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, tenant_id))
                     with check (tenant_id = coalesce(nullif(current_setting('app.tenant_id', true), '')::uuid, tenant_id))"
                ),
            ),
        ];
        for (way, sql) in ways {
            admin.execute(&sql).await.unwrap();
            let found = violations(&db, std::slice::from_ref(table)).await;
            assert!(!found.is_empty(), "{name} with its wall {way}: the walk found nothing");
            let store = db.store_with(1).await;
            let problems = check::check(&store).await.unwrap();
            assert!(
                problems.iter().any(|problem| problem.what.contains(name)),
                "{name} with its wall {way}: the start-up check found nothing"
            );
            store.close().await;
            admin.execute(&rebuild(name)).await.unwrap();
        }
        assert_eq!(violations(&db, std::slice::from_ref(table)).await, Vec::<String>::new());
    }
    let whole: &[Table] = &all;
    assert_eq!(violations(&db, whole).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_database_passes_the_start_up_check_and_an_unsound_role_does_not() {
    let db = TestDb::new().await;
    let store = db.store_with(1).await;
    assert_eq!(check::check(&store).await.unwrap(), Vec::new());

    // As the superuser, as the owner, as a role that turned into ours: whoever could climb the wall is refused.
    let cases = [
        ("superuser", db.admin_url().to_owned()),
        ("SET ROLE", format!("{}&options=-crole%3Dbalcao_app", with_query(db.admin_url()))),
    ];
    for (who, url) in cases {
        let store = balcao_store::Store::connect(&balcao_store::ConnectOptions {
            url,
            max_connections: 1,
            keyring: balcao_tests::database::keyring(),
        })
        .await
        .unwrap();
        let problems = check::check(&store).await.unwrap();
        assert!(problems.iter().any(|p| p.what.contains("superuser")), "{who}: {problems:?}");
        assert!(problems.iter().any(|p| p.what.contains("owns")), "{who}: {problems:?}");
        store.close().await;
    }
}

fn with_query(url: &str) -> String {
    if url.contains('?') { url.to_owned() } else { format!("{url}?application_name=test") }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_up_check_notices_missing_and_unknown_migrations() {
    let db = TestDb::new().await;
    let store = db.store_with(1).await;
    let mut admin = db.admin().await;
    admin.execute("update _sqlx_migrations set version = 99999999999999 where version = (select max(version) from _sqlx_migrations)").await.unwrap();
    let problems = check::check(&store).await.unwrap();
    assert!(problems.iter().any(|p| p.what.contains("have not been applied")), "{problems:?}");
    assert!(problems.iter().any(|p| p.what.contains("99999999999999")), "{problems:?}");
}

/// Definer functions work as the owner: only the server's role may call them, and none can be led astray by a
/// search path.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_run_as_the_owner_are_nailed_down() {
    let db = TestDb::new().await;
    let loose = db
        .admin()
        .await
        .rows(
            "select p.oid::regprocedure from pg_proc p
             where p.prosecdef and p.pronamespace = 'public'::regnamespace
               and (pg_get_userbyid(p.proowner) <> 'balcao_owner'
                    or not exists (select from unnest(p.proconfig) c where c like 'search_path=%pg_temp')
                    or has_function_privilege('public', p.oid, 'execute'))",
        )
        .await
        .unwrap();
    assert_eq!(loose, Vec::<Vec<Option<String>>>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_not_there_looks_like_one_without_data() {
    let db = TestDb::new().await;
    let store = db.store_with(2).await;
    a_tenant(&store, "aurora").await;
    let mut tx = store.tenant_tx(&no_tenant()).await.unwrap();
    assert!(matches!(balcao_store::tenants::get(&mut tx).await, Err(balcao_store::StoreError::NotFound)));
    assert!(balcao_store::channels::list(&mut tx).await.unwrap().is_empty());
}
