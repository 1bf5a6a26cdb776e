import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { misspeltIn, readConfig, SETTING_LIST } from '../../src/config.ts'
import { problemsOf } from '../support/config-problems.ts'
import { FOREIGN_VARIABLES } from '../support/foreign-variables.ts'

const NAMES = [...SETTING_LIST.map(({ variable }) => variable), 'NODE_ENV']
/** What a name may hold in any shell, in Docker and in Kubernetes. */
const CHARACTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-. ']

function editsOf(name: string, characters: readonly string[]): ReadonlySet<string> {
  const edits = new Set<string>()
  for (let at = 0; at <= name.length; at++) {
    const [before, after] = [name.slice(0, at), name.slice(at)]
    for (const character of characters) edits.add(before + character + after)
    if (after === '') continue
    edits.add(before + after.slice(1))
    for (const character of characters) edits.add(before + character + after.slice(1))
    edits.add(before + after.charAt(1) + after.charAt(0) + after.slice(2))
  }
  for (const each of NAMES) edits.delete(each)
  return edits
}

const setAll = (names: Iterable<string>) => Object.fromEntries([...names].map((name) => [name, 'x']))

describe('a misspelt setting', () => {
  it.each(NAMES)('%s is noticed at each single edit, and named', (name) => {
    const edits = editsOf(name, CHARACTERS)
    const noticed = misspeltIn(setAll(edits)).filter(({ likely }) => likely.includes(name))
    expect(noticed.map(({ variable }) => variable).toSorted()).toEqual([...edits].toSorted())
    for (const { problem } of noticed) expect(problem).toContain(name)
  })

  it('is noticed with any character', () => {
    const anything = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 1 })
      .filter((character) => character !== '=' && character !== '\0')
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), anything, (name, character) => {
        for (const edit of editsOf(name, [character])) {
          const [found] = misspeltIn({ [edit]: 'x' })
          expect(found?.likely, edit).toContain(name)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is noticed in lower case', () => {
    for (const name of NAMES)
      expect(misspeltIn({ [name.toLowerCase()]: 'x' })).toMatchObject([{ likely: [name] }])
  })

  it('is refused, all of them at once with all other problems, and no value is repeated', () => {
    const problems = problemsOf({
      FINALITY_DEPHT_BLOCKS: 'secret',
      HANDLER: 'secret',
      DATABASE_URI: 'secret',
      NODE_EVN: 'secret',
      LOG_LEVEL: 'loud',
    })
    expect(problems).toEqual([
      expect.stringMatching(
        /^FINALITY_DEPHT_BLOCKS is not a setting; is FINALITY_DEPTH_BLOCKS meant\? Rename it/,
      ),
      expect.stringMatching(/^HANDLER is not a setting; is HANDLERS meant\?/),
      expect.stringMatching(/^DATABASE_URI is not a setting; is DATABASE_URL meant\?/),
      expect.stringMatching(/^NODE_EVN is not a setting; is NODE_ENV meant\?/),
      expect.stringMatching(/^LOG_LEVEL must be one of/),
    ])
    expect(problems.join()).not.toContain('secret')
  })

  it('of a name so short that others use words like it is worth a warning only', () => {
    const others = { HOSTS: 'x', POST: 'x', PORTS: 'x' }
    expect(problemsOf(others)).toEqual([])
    expect(misspeltIn(others).map(({ variable, likely }) => [variable, likely])).toEqual([
      ['HOSTS', ['HOST']],
      ['POST', ['HOST', 'PORT']],
      ['PORTS', ['PORT']],
    ])
  })

  it('is looked for in what was set, whatever stands in for it', () => {
    const misspelt = () => readConfig({ DATABASE_URL: 'postgres://embedded/x' }, { DATABSE_URL: 'x' })
    expect(misspelt).toThrow('DATABSE_URL is not a setting; is DATABASE_URL meant?')
  })
})

describe('a variable of another program', () => {
  it('is never noticed where it is known to be one', () => {
    expect(misspeltIn(setAll(FOREIGN_VARIABLES))).toEqual([])
  })

  it('is never noticed where Docker or Kubernetes tells of a service by it', () => {
    const service = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,20}$/)
    fc.assert(
      fc.property(fc.oneof(service, fc.constantFrom(...NAMES)), fc.nat(65_535), (name, port) => {
        const told = ['SERVICE_HOST', 'SERVICE_PORT', 'SERVICE_PORT_HTTP', 'PORT', 'NAME', `PORT_${port}_TCP`]
        const more = ['ADDR', 'PORT', 'PROTO'].map((each) => `PORT_${port}_TCP_${each}`)
        expect(misspeltIn(setAll([...told, ...more].map((each) => `${name}_${each}`)))).toEqual([])
      }),
      { numRuns: 1_000 },
    )
  })

  it('is not noticed where the setting beside it is set, also to nothing', () => {
    const others = { API_KEY: 'x', RPC_URL: 'x', CHAINS: 'x', LOGLEVEL: 'x' }
    expect(problemsOf(others)).toHaveLength(4)
    const beside = { API_KEYS: '', RPC_URLS: 'http://a', CHAIN: '', LOG_LEVEL: 'warn' }
    expect(problemsOf({ ...others, ...beside })).toEqual([])
  })

  it('is not noticed without a value', () => {
    expect(misspeltIn({ API_KEY: '', RETRY_LIMT: ' ' })).toEqual([])
  })
})

it('no setting is one edit from another', () => {
  for (const name of NAMES) expect(NAMES.filter((other) => editsOf(name, CHARACTERS).has(other))).toEqual([])
})
