import { describe, expect, it } from 'vitest'
import { createApiKey, findApiKey, parseApiKeyEntries } from '../../src/http/api-key.ts'

function problemOf(text: string): string {
  try {
    parseApiKeyEntries(text)
  } catch (error) {
    return (error as Error).message
  }
  return 'none'
}

describe('a key of the API', () => {
  it('is accepted by the entry made with it, and by no other', () => {
    const made = ['shop', 'mobile', 'old-shop'].map((name) => createApiKey(name))
    const entries = parseApiKeyEntries(made.map(({ entry }) => entry).join(' , '))
    for (const [index, { key }] of made.entries()) expect(findApiKey(entries, key)).toBe(entries[index])
    expect(findApiKey(entries, createApiKey('shop').key)).toBeNull()
  })

  it('has 256 random bits behind a name that can be seen, also one that nobody chose', () => {
    const { key, entry } = createApiKey()
    const [, name, secret] = /^ck_([0-9a-f]{8})_([A-Za-z0-9_-]+)$/.exec(key) ?? []
    expect(Buffer.from(secret ?? '', 'base64url')).toHaveLength(32)
    expect(entry.startsWith(`${name}:`)).toBe(true)
    expect(createApiKey().key).not.toBe(key)
  })

  it('does not stand in its entry', () => {
    const { key, entry } = createApiKey('shop')
    expect(entry).toMatch(/^shop:[0-9a-f]{64}$/)
    expect(entry).not.toContain(key.slice('ck_shop_'.length))
  })

  it('is not accepted when cut, extended or written otherwise', () => {
    const { key, entry } = createApiKey('shop')
    const entries = parseApiKeyEntries(entry)
    for (const wrong of ['', key.slice(0, -1), `${key}x`, key.toUpperCase(), ` ${key}`, entry]) {
      expect(findApiKey(entries, wrong)).toBeNull()
    }
  })

  it.each(['', 'A', 'a b', '-a', 'ä', 'x'.repeat(33), 'a:b', 'a,b', 'a_b'])('has no name like %j', (name) => {
    expect(() => createApiKey(name)).toThrow('the name of a key')
  })
})

describe('the entries of API_KEYS', () => {
  const { key, entry } = createApiKey('shop')
  const sha256 = entry.slice('shop:'.length)

  it('may have their hash in capitals, as other tools print it', () => {
    expect(findApiKey(parseApiKeyEntries(`shop:${sha256.toUpperCase()}`), key)?.name).toBe('shop')
  })

  it.each([
    ['a key in clear', `${entry},${key}`, 'entry 2 is a key in clear'],
    ['a hash without a name', sha256, 'entry 1 is not of the form'],
    ['a hash that is cut', entry.slice(0, -1), 'entry 1 is not of the form'],
    ['an empty entry', `${entry},`, 'entry 2 is not of the form'],
    [
      'a name that is there already',
      `${entry},${createApiKey('shop').entry}`,
      'entry 2 has the name of another',
    ],
  ])('with %s are refused, without being repeated', (_title, text, problem) => {
    expect(problemOf(text)).toContain(problem)
    for (const part of text.split(/[,:]/).filter((each) => each.length > 5)) {
      expect(problemOf(text)).not.toContain(part)
    }
  })
})
