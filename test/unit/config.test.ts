import { describe, expect, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { problemsOf } from '../support/config-problems.ts'

describe('the configuration', () => {
  it('has the defaults of the contract', () => {
    expect(readConfig({})).toMatchObject({
      databaseUrl: null,
      amqpUrls: null,
      rpcEndpoints: null,
      chain: 'kaia',
      chainId: 8217,
      host: '127.0.0.1',
      retryDelaysMs: [1000, 2000, 5000],
      retryLimit: 10,
      expireAfterMs: 86_400_000,
      sweepIntervalMs: 5000,
      sweepGraceMs: 65_000,
      handlers: null,
      handlerRetryLimit: 20,
      workerPrefetch: 200,
      rpcTimeoutMs: 5000,
      shutdownTimeoutMs: 25_000,
      logLevel: 'info',
      amqpPrefix: 'TX',
      apiKeys: [],
      rateLimitPerMinute: 0,
      authFailureLimitPerMinute: 60,
      maxRequestsInFlight: 500,
      maxEventLoopDelayMs: 1000,
      maxMemoryMb: null,
    })
  })

  it('is frozen', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true)
  })

  it('counts the sweep grace from the longest delay, wherever it stands', () => {
    expect(readConfig({ RETRY_DELAYS_MS: '9000,100' }).sweepGraceMs).toBe(69_000)
    expect(readConfig({ SWEEP_GRACE_MS: '7' }).sweepGraceMs).toBe(7)
  })

  it('reads lists with spaces and takes blank values as not given', () => {
    const config = readConfig({ RPC_URLS: 'http://a:1, https://b/key', RETRY_LIMIT: ' ', CHAIN: '' })
    expect(config.rpcEndpoints).toEqual([
      { url: 'http://a:1', label: null },
      { url: 'https://b/key', label: null },
    ])
    expect(config.retryLimit).toBe(10)
    expect(config.chain).toBe('kaia')
  })

  it('reports all problems at once, each naming its variable', () => {
    const problems = problemsOf({
      PORT: '70000',
      RETRY_DELAYS_MS: '1000,,5',
      RETRY_LIMIT: '-1',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://x',
      CHAIN_ID: '1e3',
      API_KEYS: 'shop',
    })
    expect(problems.map((line) => line.split(' ')[0]).sort()).toEqual([
      'API_KEYS',
      'CHAIN_ID',
      'DATABASE_URL',
      'LOG_LEVEL',
      'PORT',
      'RETRY_DELAYS_MS',
      'RETRY_LIMIT',
    ])
  })

  it('never repeats a URL or a key in a problem', () => {
    const problems = problemsOf({
      DATABASE_URL: 'secret-password',
      RPC_URLS: 'ftp://secret-key',
      AMQP_URL: 'secret',
      API_KEYS: `shop:${'0'.repeat(64)},ck_shop_secret,secret:0`,
    })
    expect(problems).toHaveLength(4)
    expect(problems.join()).not.toContain('secret')
  })

  it('refuses a URL that a # cuts off, and says how to write it', () => {
    expect(problemsOf({ DATABASE_URL: 'postgres://u:pass#word@h/d', RPC_WS_URLS: 'wss://n/#x' })).toEqual([
      expect.stringMatching(/^DATABASE_URL must be a URL/),
      'RPC_WS_URLS must be a URL without #: within a password it is written %23',
    ])
  })

  it('takes nodes with labels, and a URL that has = in it', () => {
    const config = readConfig({ RPC_URLS: 'alchemy=https://a/v2/key=1, https://b/?key=x' })
    expect(config.rpcEndpoints).toEqual([
      { url: 'https://a/v2/key=1', label: 'alchemy' },
      { url: 'https://b/?key=x', label: null },
    ])
  })

  it.each([
    ['one=http://a,one=http://b', "must not give two nodes the name 'one'"],
    ['a=http://b,http://a', "must not give two nodes the name 'a'"],
    ['one=http://a/secret,two=http://a/secret', 'must not name one node twice: numbers 1 and 2'],
    ['http://a/secret,http://b,http://a/secret', 'must not name one node twice: numbers 1 and 3'],
    ['Upper=http://secret', 'must be a URL that begins with http:// or https://'],
    ['=http://secret', 'must be a URL that begins with http:// or https://'],
    ['one=', 'must be a URL that begins with http:// or https://'],
    ['one=two=http://secret', 'must be a URL that begins with http:// or https://'],
  ])('refuses the nodes %s', (text, problem) => {
    expect(problemsOf({ RPC_URLS: text })).toEqual([`RPC_URLS ${problem}`])
  })

  it('in production, needs a database and nodes, and does without RabbitMQ', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([
      'DATABASE_URL is needed where NODE_ENV is production',
      'RPC_URLS is needed where NODE_ENV is production',
    ])
    expect(
      problemsOf({ NODE_ENV: 'production', DATABASE_URL: 'postgres://h/d', RPC_URLS: 'http://n' }),
    ).toEqual([])
  })
})
