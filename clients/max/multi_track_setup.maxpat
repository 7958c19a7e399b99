{
 "patcher": {
  "fileversion": 1,
  "appversion": {
   "major": 9,
   "minor": 0,
   "revision": 0,
   "architecture": "x64",
   "modernui": 1
  },
  "classnamespace": "box",
  "rect": [
   80.0,
   80.0,
   860.0,
   600.0
  ],
  "boxes": [
   {
    "box": {
     "id": "obj-1",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      12.0,
      686.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "The multi_track external with accomp: starts the server, says what it needs, asks at every step."
    }
   },
   {
    "box": {
     "id": "obj-2",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      32.0,
      546.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "The external must be in Max's search path. What each message does: README.md"
    }
   },
   {
    "box": {
     "id": "obj-3",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      68.0,
      476.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "1. start the server (its /ready makes the external load the model)"
    }
   },
   {
    "box": {
     "id": "obj-4",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      90.0,
      1001.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "set_command zsh -ic \\\"cd ~/accomp/clients/max && ../../.venv/bin/python server.py --serverport 7000 --clientport 8000 --client_ip 127.0.0.1\\\""
    }
   },
   {
    "box": {
     "id": "obj-5",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      115.0,
      1183.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "set_command cmd.exe /K \\\"cd %USERPROFILE%\\\\accomp\\\\clients\\\\max && ..\\\\..\\\\.venv\\\\Scripts\\\\python server.py --serverport 7000 --clientport 8000 --client_ip 127.0.0.1\\\""
    }
   },
   {
    "box": {
     "id": "obj-6",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      142.0,
      70.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "server 1"
    }
   },
   {
    "box": {
     "id": "obj-7",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      100.0,
      142.0,
      70.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "server 0"
    }
   },
   {
    "box": {
     "id": "obj-8",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      180.0,
      142.0,
      84.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "load_model"
    }
   },
   {
    "box": {
     "id": "obj-9",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      280.0,
      142.0,
      49.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "reset"
    }
   },
   {
    "box": {
     "id": "obj-10",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      350.0,
      142.0,
      126.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "packet_test 4410"
    }
   },
   {
    "box": {
     "id": "obj-11",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      178.0,
      553.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "2. what holds while playing: sent by itself at the start, click to send again"
    }
   },
   {
    "box": {
     "id": "obj-12",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      700.0,
      178.0,
      70.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadbang"
    }
   },
   {
    "box": {
     "id": "obj-13",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      700.0,
      203.0,
      84.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "delay 6000"
    }
   },
   {
    "box": {
     "id": "obj-14",
     "numinlets": 1,
     "numoutlets": 6,
     "patching_rect": [
      700.0,
      228.0,
      105.0,
      22.0
     ],
     "outlettype": [
      "",
      "",
      "",
      "",
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "t b b b b b b"
    }
   },
   {
    "box": {
     "id": "obj-15",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      200.0,
      133.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "package_size 4410"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      170.0,
      200.0,
      70.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "T 264600"
    }
   },
   {
    "box": {
     "id": "obj-17",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      260.0,
      200.0,
      40.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "w 1"
    }
   },
   {
    "box": {
     "id": "obj-18",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      320.0,
      200.0,
      77.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "fade 0.02"
    }
   },
   {
    "box": {
     "id": "obj-19",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      410.0,
      200.0,
      203.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "predict_instruments 1 0 0 0"
    }
   },
   {
    "box": {
     "id": "obj-20",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      640.0,
      255.0,
      40.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "1"
    }
   },
   {
    "box": {
     "id": "obj-21",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      640.0,
      200.0,
      90.0,
      22.0
     ],
     "outlettype": [
      "",
      "",
      ""
     ],
     "maxclass": "umenu",
     "items": [
      "0.5",
      ",",
      "0.25",
      ",",
      "0.2",
      ",",
      "0.125",
      ",",
      "0.1",
      ",",
      "0.0625"
     ]
    }
   },
   {
    "box": {
     "id": "obj-22",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      640.0,
      285.0,
      49.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "t f f"
    }
   },
   {
    "box": {
     "id": "obj-23",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      700.0,
      310.0,
      77.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend r"
    }
   },
   {
    "box": {
     "id": "obj-24",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      640.0,
      335.0,
      168.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "expr int(264600 * $f1)"
    }
   },
   {
    "box": {
     "id": "obj-25",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      640.0,
      360.0,
      49.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "t i i"
    }
   },
   {
    "box": {
     "id": "obj-26",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      225.0,
      798.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "package_size: at most 1837 on a Mac whose net.inet.udp.maxdgram is 9216, and never above 13095: Max would crash."
    }
   },
   {
    "box": {
     "id": "obj-27",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      262.0,
      469.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "3. play: the head that is heard asks at every step, to the sample"
    }
   },
   {
    "box": {
     "id": "obj-28",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      285.0,
      24.0,
      24.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "toggle"
    }
   },
   {
    "box": {
     "id": "obj-29",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      20.0,
      310.0,
      63.0,
      22.0
     ],
     "outlettype": [
      "",
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "sel 1 0"
    }
   },
   {
    "box": {
     "id": "obj-30",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      20.0,
      335.0,
      63.0,
      22.0
     ],
     "outlettype": [
      "",
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "t b b b"
    }
   },
   {
    "box": {
     "id": "obj-31",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      300.0,
      285.0,
      210.0,
      22.0
     ],
     "outlettype": [
      "signal",
      "signal"
     ],
     "maxclass": "newobj",
     "text": "buffer~ accomp-track 60000 4"
    }
   },
   {
    "box": {
     "id": "obj-32",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      240.0,
      285.0,
      63.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "replace"
    }
   },
   {
    "box": {
     "id": "obj-33",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      300.0,
      310.0,
      525.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "bass drums guitar piano, one channel each: open a file, or record into it"
    }
   },
   {
    "box": {
     "id": "obj-34",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      370.0,
      56.0,
      22.0
     ],
     "outlettype": [
      "signal"
     ],
     "maxclass": "newobj",
     "text": "count~"
    }
   },
   {
    "box": {
     "id": "obj-35",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      120.0,
      335.0,
      42.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "stop"
    }
   },
   {
    "box": {
     "id": "obj-36",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      100.0,
      370.0,
      49.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "reset"
    }
   },
   {
    "box": {
     "id": "obj-37",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      400.0,
      84.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess 1"
    }
   },
   {
    "box": {
     "id": "obj-38",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      425.0,
      63.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "metro 5"
    }
   },
   {
    "box": {
     "id": "obj-39",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      455.0,
      77.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "snapshot~"
    }
   },
   {
    "box": {
     "id": "obj-40",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      480.0,
      147.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "expr int($f1 / $f2)"
    }
   },
   {
    "box": {
     "id": "obj-41",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      180.0,
      480.0,
      56.0,
      22.0
     ],
     "outlettype": [
      "",
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "change"
    }
   },
   {
    "box": {
     "id": "obj-42",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      250.0,
      480.0,
      63.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "* 66150"
    }
   },
   {
    "box": {
     "id": "obj-43",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      340.0,
      480.0,
      84.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "predict $1"
    }
   },
   {
    "box": {
     "id": "obj-44",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      180.0,
      455.0,
      49.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "set 0"
    }
   },
   {
    "box": {
     "id": "obj-45",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      440.0,
      370.0,
      161.0,
      22.0
     ],
     "outlettype": [
      "signal"
     ],
     "maxclass": "newobj",
     "text": "index~ accomp-track 1"
    }
   },
   {
    "box": {
     "id": "obj-46",
     "numinlets": 2,
     "numoutlets": 0,
     "patching_rect": [
      600.0,
      420.0,
      45.0,
      45.0
     ],
     "maxclass": "ezdac~"
    }
   },
   {
    "box": {
     "id": "obj-47",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      440.0,
      395.0,
      161.0,
      22.0
     ],
     "outlettype": [
      "signal"
     ],
     "maxclass": "newobj",
     "text": "index~ accomp-track 2"
    }
   },
   {
    "box": {
     "id": "obj-48",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      440.0,
      420.0,
      161.0,
      22.0
     ],
     "outlettype": [
      "signal"
     ],
     "maxclass": "newobj",
     "text": "index~ accomp-track 3"
    }
   },
   {
    "box": {
     "id": "obj-49",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      440.0,
      445.0,
      161.0,
      22.0
     ],
     "outlettype": [
      "signal"
     ],
     "maxclass": "newobj",
     "text": "index~ accomp-track 4"
    }
   },
   {
    "box": {
     "id": "obj-50",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      545.0,
      182.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "multi_track accomp-track"
    }
   },
   {
    "box": {
     "id": "obj-51",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      250.0,
      545.0,
      133.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "print multi_track"
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "source": [
      "obj-12",
      0
     ],
     "destination": [
      "obj-13",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-13",
      0
     ],
     "destination": [
      "obj-14",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-14",
      5
     ],
     "destination": [
      "obj-15",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-14",
      4
     ],
     "destination": [
      "obj-16",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-14",
      3
     ],
     "destination": [
      "obj-17",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-14",
      2
     ],
     "destination": [
      "obj-18",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-14",
      1
     ],
     "destination": [
      "obj-19",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-14",
      0
     ],
     "destination": [
      "obj-20",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-20",
      0
     ],
     "destination": [
      "obj-21",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-21",
      1
     ],
     "destination": [
      "obj-22",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-22",
      1
     ],
     "destination": [
      "obj-23",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-22",
      0
     ],
     "destination": [
      "obj-24",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-24",
      0
     ],
     "destination": [
      "obj-25",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-28",
      0
     ],
     "destination": [
      "obj-29",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-29",
      0
     ],
     "destination": [
      "obj-30",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-32",
      0
     ],
     "destination": [
      "obj-31",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-30",
      0
     ],
     "destination": [
      "obj-34",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-29",
      1
     ],
     "destination": [
      "obj-35",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-35",
      0
     ],
     "destination": [
      "obj-34",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-30",
      2
     ],
     "destination": [
      "obj-36",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-37",
      0
     ],
     "destination": [
      "obj-38",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-38",
      0
     ],
     "destination": [
      "obj-39",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-39",
      0
     ],
     "destination": [
      "obj-40",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-40",
      0
     ],
     "destination": [
      "obj-41",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-41",
      0
     ],
     "destination": [
      "obj-42",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-42",
      0
     ],
     "destination": [
      "obj-43",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-34",
      0
     ],
     "destination": [
      "obj-39",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-25",
      0
     ],
     "destination": [
      "obj-40",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-25",
      1
     ],
     "destination": [
      "obj-42",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-30",
      1
     ],
     "destination": [
      "obj-44",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-44",
      0
     ],
     "destination": [
      "obj-41",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-34",
      0
     ],
     "destination": [
      "obj-45",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-45",
      0
     ],
     "destination": [
      "obj-46",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-34",
      0
     ],
     "destination": [
      "obj-47",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-47",
      0
     ],
     "destination": [
      "obj-46",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-34",
      0
     ],
     "destination": [
      "obj-48",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-48",
      0
     ],
     "destination": [
      "obj-46",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-34",
      0
     ],
     "destination": [
      "obj-49",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-49",
      0
     ],
     "destination": [
      "obj-46",
      1
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-4",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-5",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-6",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-7",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-8",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-9",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-10",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-15",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-16",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-17",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-18",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-19",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-23",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-36",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-43",
      0
     ],
     "destination": [
      "obj-50",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-50",
      0
     ],
     "destination": [
      "obj-51",
      0
     ]
    }
   }
  ]
 }
}
