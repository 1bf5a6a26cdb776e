import { expect, it } from 'vitest'
import { createLifecycle } from '../../src/lifecycle.ts'

it('releases in reverse order, each once, however often it is asked', async () => {
  const released: string[] = []
  const lifecycle = createLifecycle(() => undefined)
  for (const name of ['database', 'queue', 'http']) lifecycle.add(name, () => void released.push(name))
  await Promise.all([lifecycle.releaseAll(), lifecycle.releaseAll()])
  await lifecycle.releaseAll()
  expect(released).toEqual(['http', 'queue', 'database'])
})

it('waits for each release before the next', async () => {
  const released: string[] = []
  const lifecycle = createLifecycle(() => undefined)
  lifecycle.add('first', () => void released.push('first'))
  lifecycle.add('slow', async () => {
    await new Promise((resolve) => setImmediate(resolve))
    released.push('slow')
  })
  await lifecycle.releaseAll()
  expect(released).toEqual(['slow', 'first'])
})

it('a release that fails is reported and stops no other', async () => {
  const failures: string[] = []
  let released = false
  const lifecycle = createLifecycle((name) => failures.push(name))
  lifecycle.add('database', () => {
    released = true
  })
  lifecycle.add('broken', () => {
    throw new Error('no')
  })
  await lifecycle.releaseAll()
  expect(failures).toEqual(['broken'])
  expect(released).toBe(true)
})
