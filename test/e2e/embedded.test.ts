import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDemoSender } from '../../src/dev/demo-sender.ts'
import { startRole } from '../../src/dev/role-process.ts'
import { createTemporaryFolder, type TemporaryFolder } from '../../src/dev/temporary-folder.ts'
import { register } from '../support/confirmd.ts'
import { until } from '../support/until.ts'

const CHAIN_ID = 8217

let folder: TemporaryFolder
beforeAll(async () => {
  folder = await createTemporaryFolder()
})
afterAll(() => folder.remove())

/** Runs the README's curl commands as they stand, but for the address. */
async function runReadmeRequests(url: string): Promise<unknown[]> {
  const commands = readFileSync('README.md', 'utf8').match(/^curl [^`]+/gm) ?? []
  expect(commands).toHaveLength(2)
  const answers: unknown[] = []
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('bash', [
      '-c',
      command.replaceAll('http://127.0.0.1:8080', url),
    ])
    answers.push(JSON.parse(stdout))
  }
  return answers
}

const nothingSet = { DATABASE_URL: '', AMQP_URL: '', RPC_URLS: '' }

it('with nothing installed and nothing set, start serves, says what is embedded, and keeps its data', async () => {
  const first = await startRole('start', nothingSet, { workingDirectory: folder.path })
  const embedded = first.log.filter(({ insteadSet }) => insteadSet !== undefined)
  expect(embedded.map(({ insteadSet }) => insteadSet)).toEqual(['AMQP_URL', 'DATABASE_URL', 'RPC_URLS'])
  const rpcUrl = /http:\/\/[\d.:]+/.exec(embedded[2]?.msg ?? '')?.[0] ?? ''
  const sender = await createDemoSender(rpcUrl, CHAIN_ID)
  const [good, bad] = [await sender.transfer(), await sender.revert()]
  await sender.close()
  const ids = [
    (await register(first.url, { txHash: good })).body.id,
    (await register(first.url, { txHash: bad })).body.id,
  ]
  const read = (url: string) =>
    Promise.all(
      ids.map(
        async (id) => (await (await fetch(`${url}/v1/transactions/${id}`)).json()) as { status: string },
      ),
    )
  await until('both have their verdict', async () =>
    (await read(first.url)).every(({ status }) => status !== 'pending'),
  )
  expect(await read(first.url)).toMatchObject([
    { status: 'confirmed', failure: null },
    { status: 'failed', failure: { code: '0x9', name: 'execution reverted' } },
  ])
  expect(await first.stop()).toBe(0)

  const second = await startRole('start', nothingSet, { workingDirectory: folder.path })
  expect((await read(second.url)).map(({ status }) => status)).toEqual(['confirmed', 'failed'])
  const again = await fetch(`${second.url}/v1/transactions?limit=5`)
  expect(((await again.json()) as { transactions: object[] }).transactions).toHaveLength(2)
  const answers = await runReadmeRequests(second.url)
  expect(answers[0]).toMatchObject({ status: 'pending', kind: 'nft-mint', payload: { orderId: '42' } })
  expect(answers[1]).toMatchObject({ transactions: [{ kind: 'nft-mint' }] })
  expect(await second.stop()).toBe(0)
})
