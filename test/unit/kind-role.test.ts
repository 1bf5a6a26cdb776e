import { describe, expect, it } from 'vitest'
import { kindRoleOf, refusalOfKind, type UnknownKinds } from '../../src/domain/kind-role.ts'

function roleOf(
  kind: string,
  { own = [] as string[], handled = {} as Record<string, number>, unknownKinds = 'park' as UnknownKinds },
) {
  const known = new Map(Object.entries(handled).map(([name, idleMs]) => [name, { idleMs }]))
  return kindRoleOf(kind, { own: new Set(own), handled: known, unknownKinds })
}

describe('what a process may do with a kind', () => {
  it('is to handle what it has a handler for', () => {
    expect(roleOf('order', { own: ['order'] })).toEqual({ role: 'handles' })
  })

  it('is to settle without a write only while no kind was ever handled in the database', () => {
    expect(roleOf('order', {})).toEqual({ role: 'settles', onlyIfNoneHandled: true })
    expect(roleOf('order', { own: ['other'] }).role).toBe('parks')
    expect(roleOf('order', { handled: { other: 0 } }).role).toBe('parks')
  })

  it.each(['park', 'settle', 'refuse'] as const)(
    'is never to settle a kind that was ever handled without its write (UNKNOWN_KINDS=%s)',
    (unknownKinds) => {
      expect(roleOf('order', { handled: { order: 59_999 }, unknownKinds }).role).toBe('leaves')
      expect(roleOf('order', { handled: { order: 60_000 }, unknownKinds }).role).toBe('parks')
    },
  )

  it('is to settle a kind that was never handled where the operator says so', () => {
    const given = { own: ['other'], unknownKinds: 'settle' as const }
    expect(roleOf('order', given)).toEqual({ role: 'settles', onlyIfNoneHandled: false })
  })

  it('comes with a reason that names the kind, and what is handled', () => {
    expect(roleOf('oder', { handled: { order: 0 } })).toMatchObject({
      reason: expect.stringMatching(/'oder'.*handled are: order\./),
    })
  })
})

describe('a registration', () => {
  const refuse = { known: new Set(['order', 'mint']), unknownKinds: 'refuse' as const }

  it('of an unknown kind is refused where the operator says so, with the known ones', () => {
    expect(refusalOfKind('oder', refuse)).toMatch(/'oder'.*known are: mint, order/)
    expect(refusalOfKind('order', refuse)).toBeNull()
  })

  it('of an unknown kind is taken otherwise', () => {
    expect(refusalOfKind('oder', { ...refuse, unknownKinds: 'park' })).toBeNull()
    expect(refusalOfKind('oder', { ...refuse, unknownKinds: 'settle' })).toBeNull()
  })
})
