import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { describeWithBroker } from '../support/broker.ts'

describeWithBroker('the benchmarks', () => {
  for (const [name, variants] of Object.entries({
    throughput: ['confirmd', 'the original design', 'raw limit of the broker', 'raw limit of the database'],
    latency: ['confirmd, 50 tx/s', 'viem waitForTransactionReceipt, 50 tx/s'],
    calls: ['confirmd, 10 a block'],
    growth: ['1,000 stored, 1,000 pending'],
    memory: ['api', 'worker'],
    workers: ['1 worker', '2 workers', '4 workers'],
  })) {
    it(`${name} runs, and has figures for what it compares`, { timeout: 180_000 }, async () => {
      const parameters = ['--import', 'jiti/register', 'bench/main.ts', name, '--smoke']
      const { stdout } = await promisify(execFile)(process.execPath, parameters)
      for (const variant of variants) expect(stdout).toMatch(new RegExp(`^\\| ${variant} \\|.* \\d`, 'm'))
      expect(stdout).not.toContain('NaN')
      expect(stdout).not.toContain('could not release')
    })
  }
})
