/** First key of the advisory locks of the careless handlers; the second is of the transaction. */
export const LOCK_KEY = 19_019

/** What the careless handlers change in their session, one each, and how another handler would see it. */
export const SESSION_MARKS = [
  {
    kind: 'session-setting',
    change: (trx) => trx.raw(`SET drill.mark = 'careless'`),
    seen: `current_setting('drill.mark', true) = 'careless'`,
  },
  {
    kind: 'session-statement-timeout',
    change: (trx) => trx.raw('SET statement_timeout = 12345'),
    seen: `current_setting('statement_timeout') = '12345ms'`,
  },
  {
    kind: 'session-search-path',
    change: (trx) => trx.raw('SET search_path = careless_nowhere'),
    seen: `current_setting('search_path') LIKE '%careless%'`,
  },
  {
    // It hides the real table of that name from whoever uses the session next.
    kind: 'session-temporary-table',
    change: (trx) => trx.raw('CREATE TEMPORARY TABLE orders (LIKE public.orders)'),
    seen: `EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relname = 'orders')`,
  },
  {
    kind: 'session-advisory-lock',
    change: (trx, { txHash }) => trx.raw('SELECT pg_advisory_lock(?, hashtext(?))', [LOCK_KEY, txHash]),
    seen: `EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
                     AND classid = ${LOCK_KEY})`,
  },
  {
    kind: 'session-read-only',
    change: (trx) => trx.raw('SET default_transaction_read_only = on'),
    // What it would do to the next transaction of the session; confirmd itself sets the default there, as a guard.
    seen: `current_setting('transaction_read_only') = 'on'`,
  },
  {
    kind: 'session-role',
    change: (trx) => trx.raw('SET ROLE pg_monitor'),
    seen: 'current_user <> session_user',
  },
]
