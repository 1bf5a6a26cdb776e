import { expect, it } from 'vitest'
import { isLoopbackAddress, isLoopbackHost } from '../../src/domain/loopback.ts'

it.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:0:0:1'])(
  '%s is loopback',
  (address) => expect(isLoopbackAddress(address)).toBe(true),
)

it.each([
  undefined,
  '',
  'localhost',
  '0.0.0.0',
  '::',
  '10.0.0.1',
  '128.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:192.0.2.1',
  '::2',
  '64:ff9b::127.0.0.1',
  'fe80::1%lo',
  '127.0.0.1.evil.example',
  '2130706433',
])('%s is not', (address) => expect(isLoopbackAddress(address)).toBe(false))

it.each(['localhost', 'LocalHost', '127.0.0.1', '[::1]', '::1'])('the host %s is this machine', (host) =>
  expect(isLoopbackHost(host)).toBe(true),
)

it.each(['', 'evil.example', 'localhost.evil.example', '0.0.0.0', '[::]', '192.0.2.1'])(
  'the host %s is not',
  (host) => expect(isLoopbackHost(host)).toBe(false),
)
