from xsleep.cli import main

raise SystemExit(main())
