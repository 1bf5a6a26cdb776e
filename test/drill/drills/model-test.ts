import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Drill } from '../drill.ts'

/** The state machine against a simple model; the test itself is among the tests. */
export const modelTest: Drill = {
  number: 15,
  title: 'model test of the state machine (test/**/model.test.ts)',
  run: async ({ say }) => {
    const files = await readdir('test', { recursive: true })
    const found = files.filter((file) => file.endsWith('model.test.ts')).map((file) => `test/${file}`)
    if (found.length === 0) {
      return { judgement: null, conditions: [{ text: 'there is a model test', passed: false }] }
    }
    const vitest = resolve('node_modules/vitest/vitest.mjs')
    const outcome = await promisify(execFile)(process.execPath, [vitest, 'run', ...found]).then(
      ({ stdout }) => ({ passed: true, output: stdout }),
      (error: { stdout: string }) => ({ passed: false, output: error.stdout }),
    )
    say(outcome.output.trim().split('\n').slice(-6).join(' | '))
    return { judgement: null, conditions: [{ text: found.join(', '), passed: outcome.passed }] }
  },
}
