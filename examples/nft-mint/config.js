import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Where `npm start` of confirmd says which database and chain it has embedded. */
const URLS_FILE = fileURLToPath(new URL('../../.confirmd/urls.env', import.meta.url))

/**
 * DEVELOPMENT ONLY. The first account of every development chain: its key is printed in the manuals, anybody can
 * spend what it has. A real backend gets its key from a key store, by PRIVATE_KEY here, and never from its code.
 */
const DEVELOPMENT_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'

/** Reads the environment; what is set there counts before the file. Throws an Error that says what is wrong. */
export function readConfig() {
  if (existsSync(URLS_FILE)) process.loadEnvFile(URLS_FILE)
  const { DATABASE_URL, RPC_URLS, CONFIRMD_URL, PORT, PRIVATE_KEY } = process.env
  if (!DATABASE_URL || !RPC_URLS) {
    throw new Error('no DATABASE_URL and RPC_URLS: start confirmd first, as the README says, or set both')
  }
  const rpcUrl = RPC_URLS.split(',')[0]
  const isDevelopment = !PRIVATE_KEY
  if (isDevelopment && !['127.0.0.1', 'localhost'].includes(new URL(rpcUrl).hostname)) {
    throw new Error('set PRIVATE_KEY: the development key is for a chain on this machine only')
  }
  return {
    databaseUrl: DATABASE_URL,
    rpcUrl,
    confirmdUrl: (CONFIRMD_URL ?? 'http://127.0.0.1:8080').replace(/\/+$/, ''),
    confirmdKey: process.env.CONFIRMD_KEY,
    port: Number(PORT ?? 3000),
    privateKey: PRIVATE_KEY ?? DEVELOPMENT_KEY,
    isDevelopment,
  }
}
