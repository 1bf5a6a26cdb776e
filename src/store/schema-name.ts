/** The schema of our tables where none is configured. */
export const DEFAULT_SCHEMA = 'confirmd'

/** As PostgreSQL folds an unquoted name, and no longer than it keeps of one; `pg_` is its own. */
export const SCHEMA_NAME = /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/
