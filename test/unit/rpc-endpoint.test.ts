import { expect, it } from 'vitest'
import { providerOf } from '../../src/chain/provider.ts'
import { nameEndpoints } from '../../src/chain/rpc-endpoint.ts'
import { readConfig } from '../../src/config.ts'
import { witnessesOf } from '../../src/open-configured-chain.ts'

const endpoints = (text: string) => readConfig({ RPC_URLS: text }).rpcEndpoints ?? []

it('a node is its label, or its host, with an ordinal where the host is there again; never its path', () => {
  const names = nameEndpoints(
    endpoints(
      'alchemy=https://a.com/key,https://a.com/key-1,https://user:pass@a.com/key-2,http://[::1]:8551,http://b:1',
    ),
  )
  expect(names).toEqual(['alchemy', 'a.com', 'a.com#2', '[::1]:8551', 'b:1'])
})

it.each([
  ['https://kaia.g.alchemy.com/v2/key', 'alchemy.com'],
  ['https://eu.kaia.g.alchemy.com:8443/v2/key', 'alchemy.com'],
  ['https://node.example.co.uk', 'example.co.uk'],
  ['own=https://kaia.g.alchemy.com', 'own'],
  ['http://10.0.0.7:8551', '10.0.0.7'],
  ['http://[2001:db8::1]:8551', '[2001:db8::1]'],
  ['http://geth:8545', 'geth'],
  ['http://kaia_node:8551', 'kaia_node'],
  ['http://localhost:1', 'localhost'],
  ['http://127.0.0.1:2', 'localhost'],
  ['http://[::1]:3', 'localhost'],
])('who answers for %s is %s', (text, provider) => {
  expect(endpoints(text).map(providerOf)).toEqual([provider])
})

it.each([
  ['https://a.com', 1],
  ['https://one.a.com,https://two.a.com', 1],
  ['http://127.0.0.1:1,http://127.0.0.1:2', 1],
  ['https://a.com,https://b.com', 2],
  ['one=http://127.0.0.1:1,two=http://127.0.0.1:2', 2],
  ['https://a.com,https://b.com,https://c.com', 2],
])('the nodes %s are %i witnesses', (text, witnesses) => {
  expect(witnessesOf({ rpcEndpoints: endpoints(text) })).toBe(witnesses)
})
