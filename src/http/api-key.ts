import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A key that the API accepts. The key itself is known to its holder alone. */
export interface ApiKeyEntry {
  /** Whose key it is: a visible part of the key, shown in logs. */
  readonly name: string
  /** SHA-256 of the whole key. Without salt or stretching: a key is 256 random bits, not a password. */
  readonly sha256: Buffer
}

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/
const ENTRY = /^([a-z0-9][a-z0-9-]{0,31}):([0-9a-fA-F]{64})$/
const KEY_PREFIX = 'ck_'
const KEY_BYTES = 32

/** A new key, and what API_KEYS must have for it: `<name>:<SHA-256 in hex>`. */
export function createApiKey(name: string = randomBytes(4).toString('hex')): { key: string; entry: string } {
  if (!NAME.test(name)) {
    throw new Error('the name of a key must be up to 32 lower-case letters, digits and -')
  }
  const key = `${KEY_PREFIX}${name}_${randomBytes(KEY_BYTES).toString('base64url')}`
  return { key, entry: `${name}:${sha256(key).toString('hex')}` }
}

/** Reads the entries of API_KEYS. What it throws never repeats the text: it may be a key in clear. */
export function parseApiKeyEntries(text: string): readonly ApiKeyEntry[] {
  const entries = text.split(',').map((part, index) => parseEntry(part.trim(), index + 1))
  const names = entries.map(({ name }) => name)
  const twice = names.findIndex((name, index) => names.indexOf(name) < index)
  if (twice >= 0)
    throw new Error(`must name each key differently; entry ${twice + 1} has the name of another`)
  return entries
}

/**
 * The entry that a presented key belongs to. Compares with all of them, and digests instead of keys, so that
 * the time taken says nothing about a key.
 */
export function findApiKey(entries: readonly ApiKeyEntry[], presented: string): ApiKeyEntry | null {
  const digest = sha256(presented)
  let found: ApiKeyEntry | null = null
  for (const entry of entries) {
    if (timingSafeEqual(entry.sha256, digest)) found = entry
  }
  return found
}

function parseEntry(text: string, position: number): ApiKeyEntry {
  const [, name, hex] = ENTRY.exec(text) ?? []
  if (name === undefined || hex === undefined) {
    const what = text.startsWith(KEY_PREFIX) ? 'is a key in clear' : 'is not of the form name:sha256'
    throw new Error(`entry ${position} ${what}; put the entry that 'confirmd key create' printed`)
  }
  return { name, sha256: Buffer.from(hex, 'hex') }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
