import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/** Tells a backend or a command beside `start` where its embedded parts are: `node --env-file` reads it. */
export const URLS_FILE = '.confirmd/urls.env'

/** `DATABASE_URL` and `RPC_URLS` of the embedded parts of a `start` that runs in this folder; empty if none does. */
export function readEmbeddedUrls(): Readonly<Record<string, string>> {
  try {
    return parseEnv(readFileSync(URLS_FILE, 'utf8')) as Record<string, string>
  } catch {
    return {}
  }
}
