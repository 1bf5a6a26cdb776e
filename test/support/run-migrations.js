// A process that migrates and may be killed: node test/support/run-migrations.js <url> [folder]
import { runMigrations } from '../../dist/store/migration-runner.js'
import { migrate } from '../../dist/store/migrations.js'

const [url, folder] = process.argv.slice(2)
const say = (message) => void process.stdout.write(`${message}\n`)
const ran =
  folder === undefined
    ? await migrate(url, { say })
    : await runMigrations({ url, schema: 'public', folder, say })
say(`ran ${ran.length}`)
