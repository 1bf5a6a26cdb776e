/** Refuses every COMMIT that confirmd did not announce, so that a business write's own COMMIT commits nothing. */

/** @param {import('knex').Knex} knex */
export async function up(knex) {
  const sql = (text) => knex.raw(text, { schema: knex.userParams.schema })
  await sql(`
    CREATE FUNCTION :schema:.refuse_commit() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('confirmd.committing', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION 'a business write must leave COMMIT to confirmd' USING ERRCODE = 'CFD01';
      END IF;
    END
    $$
  `)
}
