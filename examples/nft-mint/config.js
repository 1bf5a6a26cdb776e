import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'

/** Where `npm start` of confirmd says which database and chain it has embedded. */
const URLS_FILE = new URL('../../.confirmd/urls.env', import.meta.url)

/**
 * DEVELOPMENT ONLY. The first account of every development chain: its key is printed in the manuals, anybody can
 * spend what it has. A real backend gets its key from a key store, by PRIVATE_KEY here, and never from its code.
 */
const DEVELOPMENT_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

/** Reads the environment; what is set there counts before the file. Throws an Error that says what is wrong. */
export function readConfig() {
  const embedded = existsSync(URLS_FILE) ? parseEnv(readFileSync(URLS_FILE, 'utf8')) : {}
  const read = (variable) => process.env[variable] || embedded[variable]
  const [databaseUrl, rpcUrl] = [read('DATABASE_URL'), read('RPC_URLS')?.split(',')[0]]
  if (!databaseUrl || !rpcUrl) {
    throw new Error('no DATABASE_URL and RPC_URLS: start confirmd first, as the README says, or set both')
  }
  const privateKey = read('PRIVATE_KEY')
  if (!privateKey && !['127.0.0.1', 'localhost'].includes(new URL(rpcUrl).hostname)) {
    throw new Error('set PRIVATE_KEY: the development key is for a chain on this machine only')
  }
  return {
    databaseUrl,
    rpcUrl,
    confirmdUrl: (read('CONFIRMD_URL') ?? 'http://127.0.0.1:8080').replace(/\/+$/, ''),
    confirmdKey: read('CONFIRMD_KEY'),
    port: Number(read('PORT') ?? 3000),
    privateKey: privateKey ?? DEVELOPMENT_KEY,
    isDevelopment: !privateKey,
  }
}
