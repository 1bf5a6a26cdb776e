import { describe, expect, it } from 'vitest'
import { readRetryAfter } from '../../src/domain/retry-after.ts'
import { decideAttempt } from '../../src/domain/webhook.ts'
import { addressProblem, targetProblem } from '../../src/domain/webhook-target.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const POLICY = { retryDelaysMs: [5_000, 300_000], disableAfterMs: 86_400_000 }
const LONG_AGO = new Date(NOW.getTime() - 86_400_000)

function decide(
  outcome: { statusCode?: number | null; retryAfterMs?: number; error?: string | null },
  { attempts = 1, failingSince = null as Date | null, random = 0 } = {},
) {
  const { statusCode = 500, retryAfterMs = null, error = 'HTTP status' } = outcome
  return decideAttempt(
    { statusCode, retryAfterMs, error },
    { attempts, failingSince, now: NOW },
    POLICY,
    random,
  )
}

describe('after an attempt', () => {
  it('2xx is success, whatever came before', () => {
    const decision = { status: 'delivered', nextAttemptInMs: null, disable: null }
    expect(decide({ statusCode: 204, error: null }, { attempts: 9, failingSince: LONG_AGO })).toEqual(
      decision,
    )
  })

  it('a failure is tried again after the time of its attempt, later by chance', () => {
    expect(decide({})).toEqual({ status: 'pending', nextAttemptInMs: 5_000, disable: null })
    expect(decide({}, { random: 1 })).toMatchObject({ nextAttemptInMs: 6_000 })
    expect(decide({ statusCode: null }, { attempts: 2 })).toMatchObject({ nextAttemptInMs: 300_000 })
  })

  it('after the last of the times it is given up', () => {
    expect(decide({}, { attempts: 3 })).toEqual({ status: 'failed', nextAttemptInMs: null, disable: null })
  })

  it('never before Retry-After, and not sooner for it', () => {
    expect(decide({ statusCode: 503, retryAfterMs: 60_000 })).toMatchObject({ nextAttemptInMs: 60_000 })
    expect(decide({ statusCode: 503, retryAfterMs: 1 })).toMatchObject({ nextAttemptInMs: 5_000 })
  })

  it('410 gives it up and switches the webhook off', () => {
    const decision = {
      status: 'failed',
      nextAttemptInMs: null,
      disable: { reason: expect.stringContaining('410'), failingSince: null },
    }
    expect(decide({ statusCode: 410 })).toEqual(decision)
  })

  it('a webhook that has failed for long is switched off; what it waits for is kept', () => {
    const almost = new Date(LONG_AGO.getTime() + 1)
    expect(decide({}, { failingSince: almost })).toMatchObject({ disable: null })
    expect(decide({}, { failingSince: LONG_AGO })).toMatchObject({
      status: 'pending',
      disable: { reason: expect.stringContaining(LONG_AGO.toISOString()), failingSince: LONG_AGO },
    })
  })
})

it.each([
  ['120', 120_000],
  ['Sat, 21 Nov 2026 12:01:00 GMT', 60_000],
  ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
  ['99999999999', 1_000_000],
  ['soon', null],
  ['', null],
  [undefined, null],
])('a Retry-After of %s is %s ms', (value, expected) => {
  expect(readRetryAfter(value, NOW, 1_000_000)).toBe(expected)
})

const PUBLIC = ['93.184.215.14', '1.1.1.1', '2606:4700:4700::1111', '::ffff:1.1.1.1']
const FORBIDDEN = [
  ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.1', '172.31.255.255'],
  ...['192.0.0.1', '192.0.2.1', '192.168.1.1', '198.18.0.1', '203.0.113.1', '224.0.0.1', '255.255.255.255'],
  ...[
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:169.254.169.254',
    '::127.0.0.1',
    '::7f00:1',
  ],
  ...[
    '64:ff9b::a00:1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '2002:7f00:1::',
    '2002:a00:1::',
    '2001::1',
    '2001:db8::1',
  ],
  ...[
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
    '100::1',
    'fe80::1%eth0',
    'not an address',
  ],
]

describe('addresses of webhooks', () => {
  it.each(PUBLIC)('%s may be asked', (address) => {
    expect(addressProblem(address, { allowLoopback: false })).toBeNull()
  })
  it.each(FORBIDDEN)('%s may not', (address) => {
    expect(addressProblem(address, { allowLoopback: false })).toEqual(expect.any(String))
  })
  it.each(FORBIDDEN)('%s may in development only if it is this machine', (address) => {
    const loopback = ['127.0.0.1', '::1', '::127.0.0.1', '::ffff:127.0.0.1'].includes(address)
    expect(addressProblem(address, { allowLoopback: true }) === null).toBe(loopback)
  })
})

describe('URLs of webhooks', () => {
  it.each([
    'https://example.com/hook',
    'https://example.com:8443/',
    'https://1.1.1.1/',
    'https://[2606:4700::1]/',
  ])('%s may be given', (url) => {
    expect(targetProblem(url, { allowLoopback: false })).toBeNull()
  })
  it.each([
    ...['http://example.com/', 'ftp://example.com/', 'file:///etc/passwd', '/hook', 'example.com', ''],
    ...[
      'https://user:password@example.com/',
      'https://example.com/#a',
      'https://localhost/',
      'http://127.0.0.1/',
      'https://127.0.0.1/',
    ],
    // As WHATWG URLs read them: each is an address.
    ...[
      'https://0x7f.1/',
      'https://2130706433/',
      'https://017700000001/',
      'https://127.1/',
      'https://[::1]/',
    ],
    ...[
      'https://[::ffff:169.254.169.254]/',
      'https://169.254.169.254/latest/meta-data/',
      'https://１２７.0.0.1/',
    ],
  ])('%s may not', (url) => {
    expect(targetProblem(url, { allowLoopback: false })).toEqual(expect.any(String))
  })
  it.each(['http://127.0.0.1:9/', 'http://localhost:9/', 'http://[::1]:9/', 'https://localhost/'])(
    '%s may in development',
    (url) => {
      expect(targetProblem(url, { allowLoopback: true })).toBeNull()
    },
  )
  it.each(['http://example.com/', 'http://10.0.0.1/', 'https://10.0.0.1/', 'http://localhost.example.com/'])(
    '%s may not even in development',
    (url) => {
      expect(targetProblem(url, { allowLoopback: true })).toEqual(expect.any(String))
    },
  )
})
