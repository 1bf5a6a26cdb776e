import { expect, it } from 'vitest'
import { type AmqpUrls, createHostRotation, hostOf } from '../../src/broker/hosts.ts'

const URLS: AmqpUrls = ['amqp://u:secret@a:5672/v', 'amqp://u:secret@b/v', 'amqp://u:secret@c/v']

/** The numbers of a list, again and again. */
function repeated(numbers: readonly number[]): () => number {
  let taken = 0
  return () => numbers[taken++ % numbers.length] ?? 0
}

it('the hosts are tried in turn, each before one is tried again, and never the same one twice running', () => {
  const next = createHostRotation(URLS, repeated([0.5, 0.9, 0.1]))
  const tried = Array.from({ length: 7 }, next).map(hostOf)
  expect(tried).toEqual(['c', 'a:5672', 'b', 'c', 'a:5672', 'b', 'c'])
})

it('many processes begin with different hosts, and leave the same host for different ones', () => {
  const rotations = Array.from({ length: 300 }, () => createHostRotation(URLS, Math.random))
  const orders = rotations.map((next) => [next(), next(), next()].map(hostOf).join())
  expect(new Set(orders).size).toBe(6)
})

it('a single host is tried again and again', () => {
  const next = createHostRotation(['amqp://a'], Math.random)
  expect([next(), next()]).toEqual(['amqp://a', 'amqp://a'])
})
