import { render } from 'preact'
import { App } from './app.tsx'
import './style/colours.css'
import './style/ground.css'
import './style/header.css'
import './style/boxes.css'
import './style/details.css'
import './style/counts.css'
import './style/plots.css'
import './style/facts.css'
import './style/tables.css'
import './style/timeline.css'
import './style/controls.css'
import './style/transaction.css'

const root = document.getElementById('page')
if (root) render(<App />, root)
