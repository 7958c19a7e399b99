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
   940.0,
   720.0
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
      742.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "accomp: you play and a model answers. Start serve.py; wait for \"ready\"; choose; turn the sound on; Play."
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
      574.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "No external is needed. Run Max at 44100 Hz. Messages and known limits: README.md"
    }
   },
   {
    "box": {
     "id": "obj-3",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      50.0,
      72.0,
      42.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "Play"
    }
   },
   {
    "box": {
     "id": "obj-4",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      70.0,
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
     "id": "obj-5",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      100.0,
      98.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend play"
    }
   },
   {
    "box": {
     "id": "obj-6",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      130.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-7",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      160.0,
      72.0,
      98.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "sound on/off"
    }
   },
   {
    "box": {
     "id": "obj-8",
     "numinlets": 2,
     "numoutlets": 0,
     "patching_rect": [
      110.0,
      62.0,
      45.0,
      45.0
     ],
     "maxclass": "ezdac~"
    }
   },
   {
    "box": {
     "id": "obj-9",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      262.0,
      72.0,
      63.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "you are"
    }
   },
   {
    "box": {
     "id": "obj-10",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      330.0,
      70.0,
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
      "live",
      ",",
      "loop",
      ",",
      "file"
     ]
    }
   },
   {
    "box": {
     "id": "obj-11",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      330.0,
      100.0,
      112.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend source"
    }
   },
   {
    "box": {
     "id": "obj-12",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      330.0,
      130.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-13",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      450.0,
      70.0,
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
     "id": "obj-14",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      450.0,
      100.0,
      84.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-file"
    }
   },
   {
    "box": {
     "id": "obj-15",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      510.0,
      72.0,
      287.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "opens a file: choose \"file\" on the left"
    }
   },
   {
    "box": {
     "id": "obj-16",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      780.0,
      70.0,
      49.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "panic"
    }
   },
   {
    "box": {
     "id": "obj-17",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      780.0,
      100.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-18",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      172.0,
      161.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "the model plays: bass"
    }
   },
   {
    "box": {
     "id": "obj-19",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      150.0,
      170.0,
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
     "id": "obj-20",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      150.0,
      200.0,
      154.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend instrument 0"
    }
   },
   {
    "box": {
     "id": "obj-21",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      150.0,
      230.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-22",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      290.0,
      172.0,
      49.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "drums"
    }
   },
   {
    "box": {
     "id": "obj-23",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      340.0,
      170.0,
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
     "id": "obj-24",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      340.0,
      200.0,
      154.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend instrument 1"
    }
   },
   {
    "box": {
     "id": "obj-25",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      340.0,
      230.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-26",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      490.0,
      172.0,
      56.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "guitar"
    }
   },
   {
    "box": {
     "id": "obj-27",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      540.0,
      170.0,
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
     "id": "obj-28",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      540.0,
      200.0,
      154.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend instrument 2"
    }
   },
   {
    "box": {
     "id": "obj-29",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      540.0,
      230.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-30",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      690.0,
      172.0,
      49.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "piano"
    }
   },
   {
    "box": {
     "id": "obj-31",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      740.0,
      170.0,
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
     "id": "obj-32",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      740.0,
      200.0,
      154.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend instrument 3"
    }
   },
   {
    "box": {
     "id": "obj-33",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      740.0,
      230.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-34",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      200.0,
      112.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess set 1"
    }
   },
   {
    "box": {
     "id": "obj-35",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      302.0,
      56.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "step r"
    }
   },
   {
    "box": {
     "id": "obj-36",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      70.0,
      300.0,
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
      "0.0625",
      ",",
      "0.03125"
     ]
    }
   },
   {
    "box": {
     "id": "obj-37",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      70.0,
      330.0,
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
     "id": "obj-38",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      70.0,
      360.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-39",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      70.0,
      275.0,
      112.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess set 1"
    }
   },
   {
    "box": {
     "id": "obj-40",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      190.0,
      302.0,
      98.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "look-ahead w"
    }
   },
   {
    "box": {
     "id": "obj-41",
     "numinlets": 1,
     "numoutlets": 3,
     "patching_rect": [
      280.0,
      300.0,
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
      "-1",
      ",",
      "0",
      ",",
      "1",
      ",",
      "2"
     ]
    }
   },
   {
    "box": {
     "id": "obj-42",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      280.0,
      330.0,
      77.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend w"
    }
   },
   {
    "box": {
     "id": "obj-43",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      280.0,
      360.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-44",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      280.0,
      275.0,
      112.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess set 2"
    }
   },
   {
    "box": {
     "id": "obj-45",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      400.0,
      302.0,
      140.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "samples a datagram"
    }
   },
   {
    "box": {
     "id": "obj-46",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      520.0,
      300.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-47",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      520.0,
      330.0,
      119.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend samples"
    }
   },
   {
    "box": {
     "id": "obj-48",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      520.0,
      360.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-49",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      650.0,
      302.0,
      91.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "crossfade s"
    }
   },
   {
    "box": {
     "id": "obj-50",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      730.0,
      300.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "flonum"
    }
   },
   {
    "box": {
     "id": "obj-51",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      730.0,
      330.0,
      98.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend fade"
    }
   },
   {
    "box": {
     "id": "obj-52",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      730.0,
      360.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-53",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      520.0,
      275.0,
      133.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess set 1470"
    }
   },
   {
    "box": {
     "id": "obj-54",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      730.0,
      275.0,
      133.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess set 0.02"
    }
   },
   {
    "box": {
     "id": "obj-55",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      402.0,
      112.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "beats a minute"
    }
   },
   {
    "box": {
     "id": "obj-56",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      120.0,
      400.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "flonum"
    }
   },
   {
    "box": {
     "id": "obj-57",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      120.0,
      430.0,
      105.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend tempo"
    }
   },
   {
    "box": {
     "id": "obj-58",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      120.0,
      460.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-59",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      220.0,
      402.0,
      84.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "one is now"
    }
   },
   {
    "box": {
     "id": "obj-60",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      290.0,
      400.0,
      24.0,
      24.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "button"
    }
   },
   {
    "box": {
     "id": "obj-61",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      290.0,
      430.0,
      40.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "one"
    }
   },
   {
    "box": {
     "id": "obj-62",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      290.0,
      460.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-63",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      400.0,
      402.0,
      189.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "or follow Max's transport"
    }
   },
   {
    "box": {
     "id": "obj-64",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      560.0,
      400.0,
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
     "id": "obj-65",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      560.0,
      430.0,
      98.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-follow"
    }
   },
   {
    "box": {
     "id": "obj-66",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      650.0,
      402.0,
      84.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "latency ms"
    }
   },
   {
    "box": {
     "id": "obj-67",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      730.0,
      400.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-68",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      730.0,
      430.0,
      105.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-latency"
    }
   },
   {
    "box": {
     "id": "obj-69",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      492.0,
      70.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "lead it:"
    }
   },
   {
    "box": {
     "id": "obj-70",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      85.0,
      490.0,
      40.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "tap"
    }
   },
   {
    "box": {
     "id": "obj-71",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      85.0,
      520.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-72",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      125.0,
      492.0,
      84.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "four times"
    }
   },
   {
    "box": {
     "id": "obj-73",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      215.0,
      490.0,
      63.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "start 0"
    }
   },
   {
    "box": {
     "id": "obj-74",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      215.0,
      520.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-75",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      280.0,
      492.0,
      112.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "when you begin"
    }
   },
   {
    "box": {
     "id": "obj-76",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      395.0,
      490.0,
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
     "id": "obj-77",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      395.0,
      520.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-78",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      470.0,
      490.0,
      42.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "fill"
    }
   },
   {
    "box": {
     "id": "obj-79",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      470.0,
      520.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-80",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      545.0,
      490.0,
      63.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "pause 4"
    }
   },
   {
    "box": {
     "id": "obj-81",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      545.0,
      520.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-82",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      622.0,
      492.0,
      126.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "rests after bars"
    }
   },
   {
    "box": {
     "id": "obj-83",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      730.0,
      490.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "flonum"
    }
   },
   {
    "box": {
     "id": "obj-84",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      730.0,
      520.0,
      98.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend rest"
    }
   },
   {
    "box": {
     "id": "obj-85",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      730.0,
      550.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-86",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      800.0,
      492.0,
      84.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "louder, dB"
    }
   },
   {
    "box": {
     "id": "obj-87",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      870.0,
      490.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "flonum"
    }
   },
   {
    "box": {
     "id": "obj-88",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      840.0,
      520.0,
      119.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend balance"
    }
   },
   {
    "box": {
     "id": "obj-89",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      840.0,
      550.0,
      70.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-do"
    }
   },
   {
    "box": {
     "id": "obj-90",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      730.0,
      465.0,
      112.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "loadmess set 2"
    }
   },
   {
    "box": {
     "id": "obj-91",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      580.0,
      196.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "server 127.0.0.1 7000 8000"
    }
   },
   {
    "box": {
     "id": "obj-92",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      610.0,
      98.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "s acc-server"
    }
   },
   {
    "box": {
     "id": "obj-93",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      240.0,
      582.0,
      287.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "server, its port, the port to listen on"
    }
   },
   {
    "box": {
     "id": "obj-94",
     "numinlets": 0,
     "numoutlets": 1,
     "patching_rect": [
      440.0,
      555.0,
      84.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "r acc-show"
    }
   },
   {
    "box": {
     "id": "obj-95",
     "numinlets": 1,
     "numoutlets": 10,
     "patching_rect": [
      440.0,
      580.0,
      441.0,
      22.0
     ],
     "outlettype": [
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      ""
     ],
     "maxclass": "newobj",
     "text": "route state asked answered late dropped lead cycle model plan"
    }
   },
   {
    "box": {
     "id": "obj-96",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      645.0,
      91.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-97",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      110.0,
      645.0,
      70.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "starting"
    }
   },
   {
    "box": {
     "id": "obj-98",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      480.0,
      645.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-99",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      545.0,
      645.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-100",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      610.0,
      645.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-101",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      675.0,
      645.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-102",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      740.0,
      645.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "number"
    }
   },
   {
    "box": {
     "id": "obj-103",
     "numinlets": 1,
     "numoutlets": 2,
     "patching_rect": [
      805.0,
      645.0,
      60.0,
      22.0
     ],
     "outlettype": [
      "",
      ""
     ],
     "maxclass": "flonum"
    }
   },
   {
    "box": {
     "id": "obj-104",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      720.0,
      610.0,
      91.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-105",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      810.0,
      610.0,
      49.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "model"
    }
   },
   {
    "box": {
     "id": "obj-106",
     "numinlets": 1,
     "numoutlets": 1,
     "patching_rect": [
      20.0,
      675.0,
      91.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "newobj",
     "text": "prepend set"
    }
   },
   {
    "box": {
     "id": "obj-107",
     "numinlets": 2,
     "numoutlets": 1,
     "patching_rect": [
      110.0,
      675.0,
      168.0,
      22.0
     ],
     "outlettype": [
      ""
     ],
     "maxclass": "message",
     "text": "what the model intends"
    }
   },
   {
    "box": {
     "id": "obj-108",
     "numinlets": 1,
     "numoutlets": 0,
     "patching_rect": [
      480.0,
      622.0,
      357.0,
      22.0
     ],
     "maxclass": "comment",
     "text": "asked, answered, late, dropped, lead ms, cycle ms"
    }
   },
   {
    "box": {
     "id": "obj-109",
     "numinlets": 0,
     "numoutlets": 0,
     "patching_rect": [
      20.0,
      680.0,
      42.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "p talk",
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
       900.0,
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
          15.0,
          714.0,
          22.0
         ],
         "maxclass": "comment",
         "text": "The timeline (v8; put js instead before Max 9) and the network (Node for Max, a process of its own)."
        }
       },
       {
        "box": {
         "id": "obj-2",
         "numinlets": 0,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          50.0,
          70.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "r acc-do"
        }
       },
       {
        "box": {
         "id": "obj-3",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          20.0,
          77.0,
          154.0,
          22.0
         ],
         "outlettype": [
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "v8 accomp-buffers.js"
        }
       },
       {
        "box": {
         "id": "obj-4",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          20.0,
          104.0,
          280.0,
          22.0
         ],
         "outlettype": [
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "node.script accomp-net.js @autostart 1"
        }
       },
       {
        "box": {
         "id": "obj-5",
         "numinlets": 1,
         "numoutlets": 0,
         "patching_rect": [
          20.0,
          131.0,
          84.0,
          22.0
         ],
         "maxclass": "newobj",
         "text": "s acc-show"
        }
       },
       {
        "box": {
         "id": "obj-6",
         "numinlets": 1,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          158.0,
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
         "id": "obj-7",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          185.0,
          84.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "delay 2000"
        }
       },
       {
        "box": {
         "id": "obj-8",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          212.0,
          196.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "message",
         "text": "server 127.0.0.1 7000 8000"
        }
       },
       {
        "box": {
         "id": "obj-9",
         "numinlets": 0,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          239.0,
          98.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "r acc-server"
        }
       }
      ],
      "lines": [
       {
        "patchline": {
         "source": [
          "obj-2",
          0
         ],
         "destination": [
          "obj-3",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-3",
          0
         ],
         "destination": [
          "obj-4",
          0
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
          "obj-3",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-3",
          1
         ],
         "destination": [
          "obj-5",
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
          "obj-7",
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
          "obj-8",
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
          "obj-4",
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
          "obj-4",
          0
         ]
        }
       }
      ]
     }
    }
   },
   {
    "box": {
     "id": "obj-110",
     "numinlets": 0,
     "numoutlets": 0,
     "patching_rect": [
      105.0,
      680.0,
      49.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "p sound",
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
       900.0,
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
          15.0,
          784.0,
          22.0
         ],
         "maxclass": "comment",
         "text": "What you play goes into one buffer, what the model plays comes out of the other; both go round, by the sample."
        }
       },
       {
        "box": {
         "id": "obj-2",
         "numinlets": 0,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          50.0,
          84.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "r acc-file"
        }
       },
       {
        "box": {
         "id": "obj-3",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          20.0,
          77.0,
          196.0,
          22.0
         ],
         "outlettype": [
          "signal",
          "signal"
         ],
         "maxclass": "newobj",
         "text": "buffer~ accomp-you 30000 1"
        }
       },
       {
        "box": {
         "id": "obj-4",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          20.0,
          104.0,
          203.0,
          22.0
         ],
         "outlettype": [
          "signal",
          "signal"
         ],
         "maxclass": "newobj",
         "text": "buffer~ accomp-band 30000 4"
        }
       },
       {
        "box": {
         "id": "obj-5",
         "numinlets": 0,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          131.0,
          84.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "r acc-show"
        }
       },
       {
        "box": {
         "id": "obj-6",
         "numinlets": 1,
         "numoutlets": 5,
         "patching_rect": [
          20.0,
          158.0,
          210.0,
          22.0
         ],
         "outlettype": [
          "",
          "",
          "",
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "route length record own band"
        }
       },
       {
        "box": {
         "id": "obj-7",
         "numinlets": 1,
         "numoutlets": 3,
         "patching_rect": [
          20.0,
          185.0,
          63.0,
          22.0
         ],
         "outlettype": [
          "",
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "t b i i"
        }
       },
       {
        "box": {
         "id": "obj-8",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          212.0,
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
         "id": "obj-9",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          239.0,
          84.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "%~ 1323000"
        }
       },
       {
        "box": {
         "id": "obj-10",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          266.0,
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
         "id": "obj-11",
         "numinlets": 1,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          293.0,
          126.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "prepend position"
        }
       },
       {
        "box": {
         "id": "obj-12",
         "numinlets": 1,
         "numoutlets": 0,
         "patching_rect": [
          20.0,
          320.0,
          70.0,
          22.0
         ],
         "maxclass": "newobj",
         "text": "s acc-do"
        }
       },
       {
        "box": {
         "id": "obj-13",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          347.0,
          140.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "metro 10 @active 1"
        }
       },
       {
        "box": {
         "id": "obj-14",
         "numinlets": 1,
         "numoutlets": 0,
         "patching_rect": [
          270.0,
          50.0,
          308.0,
          22.0
         ],
         "maxclass": "comment",
         "text": "recording: a negative place writes nothing"
        }
       },
       {
        "box": {
         "id": "obj-15",
         "numinlets": 1,
         "numoutlets": 1,
         "patching_rect": [
          270.0,
          77.0,
          56.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "adc~ 1"
        }
       },
       {
        "box": {
         "id": "obj-16",
         "numinlets": 3,
         "numoutlets": 0,
         "patching_rect": [
          270.0,
          104.0,
          126.0,
          22.0
         ],
         "maxclass": "newobj",
         "text": "poke~ accomp-you"
        }
       },
       {
        "box": {
         "id": "obj-17",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          270.0,
          131.0,
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
         "id": "obj-18",
         "numinlets": 1,
         "numoutlets": 1,
         "patching_rect": [
          270.0,
          158.0,
          42.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "sig~"
        }
       },
       {
        "box": {
         "id": "obj-19",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          270.0,
          185.0,
          40.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "*~"
        }
       },
       {
        "box": {
         "id": "obj-20",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          270.0,
          212.0,
          40.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "- 1"
        }
       },
       {
        "box": {
         "id": "obj-21",
         "numinlets": 1,
         "numoutlets": 1,
         "patching_rect": [
          270.0,
          239.0,
          42.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "sig~"
        }
       },
       {
        "box": {
         "id": "obj-22",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          270.0,
          266.0,
          40.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "+~"
        }
       },
       {
        "box": {
         "id": "obj-23",
         "numinlets": 1,
         "numoutlets": 0,
         "patching_rect": [
          520.0,
          50.0,
          357.0,
          22.0
         ],
         "maxclass": "comment",
         "text": "playing, earlier by the latency of the sound card"
        }
       },
       {
        "box": {
         "id": "obj-24",
         "numinlets": 0,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          77.0,
          105.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "r acc-latency"
        }
       },
       {
        "box": {
         "id": "obj-25",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          104.0,
          56.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "* 44.1"
        }
       },
       {
        "box": {
         "id": "obj-26",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          131.0,
          42.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "+~ 0"
        }
       },
       {
        "box": {
         "id": "obj-27",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          158.0,
          84.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "%~ 1323000"
        }
       },
       {
        "box": {
         "id": "obj-28",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          185.0,
          154.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "index~ accomp-band 1"
        }
       },
       {
        "box": {
         "id": "obj-29",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          212.0,
          40.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "+~"
        }
       },
       {
        "box": {
         "id": "obj-30",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          239.0,
          154.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "index~ accomp-band 2"
        }
       },
       {
        "box": {
         "id": "obj-31",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          266.0,
          154.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "index~ accomp-band 3"
        }
       },
       {
        "box": {
         "id": "obj-32",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          293.0,
          154.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "index~ accomp-band 4"
        }
       },
       {
        "box": {
         "id": "obj-33",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          320.0,
          49.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "*~ 0."
        }
       },
       {
        "box": {
         "id": "obj-34",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          347.0,
          147.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "index~ accomp-you 1"
        }
       },
       {
        "box": {
         "id": "obj-35",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          374.0,
          49.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "*~ 0."
        }
       },
       {
        "box": {
         "id": "obj-36",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          520.0,
          401.0,
          56.0,
          22.0
         ],
         "outlettype": [
          "signal"
         ],
         "maxclass": "newobj",
         "text": "*~ 0.8"
        }
       },
       {
        "box": {
         "id": "obj-37",
         "numinlets": 2,
         "numoutlets": 0,
         "patching_rect": [
          520.0,
          428.0,
          70.0,
          22.0
         ],
         "maxclass": "newobj",
         "text": "dac~ 1 2"
        }
       },
       {
        "box": {
         "id": "obj-38",
         "numinlets": 1,
         "numoutlets": 4,
         "patching_rect": [
          770.0,
          50.0,
          77.0,
          22.0
         ],
         "outlettype": [
          "signal",
          "signal",
          "signal",
          "signal"
         ],
         "maxclass": "newobj",
         "text": "dspstate~"
        }
       },
       {
        "box": {
         "id": "obj-39",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          770.0,
          77.0,
          77.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "!= 44100."
        }
       },
       {
        "box": {
         "id": "obj-40",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          770.0,
          104.0,
          49.0,
          22.0
         ],
         "outlettype": [
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "sel 1"
        }
       },
       {
        "box": {
         "id": "obj-41",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          770.0,
          131.0,
          322.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "message",
         "text": "state set the sample rate of Max to 44100 Hz"
        }
       },
       {
        "box": {
         "id": "obj-42",
         "numinlets": 1,
         "numoutlets": 0,
         "patching_rect": [
          770.0,
          158.0,
          84.0,
          22.0
         ],
         "maxclass": "newobj",
         "text": "s acc-show"
        }
       }
      ],
      "lines": [
       {
        "patchline": {
         "source": [
          "obj-2",
          0
         ],
         "destination": [
          "obj-3",
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
          "obj-6",
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
          "obj-7",
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
          "obj-8",
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
          "obj-9",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-7",
          1
         ],
         "destination": [
          "obj-9",
          1
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
          "obj-10",
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
          "obj-11",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-11",
          0
         ],
         "destination": [
          "obj-12",
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
          "obj-10",
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
          "obj-16",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-6",
          1
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
          "obj-17",
          1
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
          "obj-18",
          0
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
          "obj-17",
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
          0
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
          "obj-9",
          0
         ],
         "destination": [
          "obj-19",
          1
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
          "obj-22",
          1
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
          "obj-16",
          1
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
          "obj-25",
          0
         ],
         "destination": [
          "obj-26",
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
          "obj-26",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-26",
          0
         ],
         "destination": [
          "obj-27",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-7",
          2
         ],
         "destination": [
          "obj-27",
          1
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-27",
          0
         ],
         "destination": [
          "obj-28",
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
          "obj-27",
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
          "obj-30",
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
          "obj-27",
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
          "obj-31",
          0
         ],
         "destination": [
          "obj-29",
          1
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-27",
          0
         ],
         "destination": [
          "obj-32",
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
          "obj-29",
          1
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
          "obj-33",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-6",
          3
         ],
         "destination": [
          "obj-33",
          1
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-27",
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
          "obj-34",
          0
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
          "obj-6",
          2
         ],
         "destination": [
          "obj-35",
          1
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-33",
          0
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
          "obj-35",
          0
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
          "obj-36",
          0
         ],
         "destination": [
          "obj-37",
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
          "obj-37",
          1
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-38",
          1
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
       }
      ]
     }
    }
   },
   {
    "box": {
     "id": "obj-111",
     "numinlets": 0,
     "numoutlets": 0,
     "patching_rect": [
      190.0,
      680.0,
      42.0,
      22.0
     ],
     "maxclass": "newobj",
     "text": "p beat",
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
       900.0,
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
          15.0,
          714.0,
          22.0
         ],
         "maxclass": "comment",
         "text": "The beat of Max's transport, fifty times a second; the tempo of the front is used while this is off."
        }
       },
       {
        "box": {
         "id": "obj-2",
         "numinlets": 0,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          50.0,
          98.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "r acc-follow"
        }
       },
       {
        "box": {
         "id": "obj-3",
         "numinlets": 2,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          77.0,
          70.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "metro 20"
        }
       },
       {
        "box": {
         "id": "obj-4",
         "numinlets": 2,
         "numoutlets": 9,
         "patching_rect": [
          20.0,
          104.0,
          77.0,
          22.0
         ],
         "outlettype": [
          "",
          "",
          "",
          "",
          "",
          "",
          "",
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "transport"
        }
       },
       {
        "box": {
         "id": "obj-5",
         "numinlets": 7,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          131.0,
          189.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "pack 1 1 0. 480. 120. 4 0"
        }
       },
       {
        "box": {
         "id": "obj-6",
         "numinlets": 1,
         "numoutlets": 2,
         "patching_rect": [
          20.0,
          158.0,
          84.0,
          22.0
         ],
         "outlettype": [
          "",
          ""
         ],
         "maxclass": "newobj",
         "text": "unpack 4 4"
        }
       },
       {
        "box": {
         "id": "obj-7",
         "numinlets": 1,
         "numoutlets": 1,
         "patching_rect": [
          20.0,
          185.0,
          133.0,
          22.0
         ],
         "outlettype": [
          ""
         ],
         "maxclass": "newobj",
         "text": "prepend transport"
        }
       },
       {
        "box": {
         "id": "obj-8",
         "numinlets": 1,
         "numoutlets": 0,
         "patching_rect": [
          20.0,
          212.0,
          70.0,
          22.0
         ],
         "maxclass": "newobj",
         "text": "s acc-do"
        }
       }
      ],
      "lines": [
       {
        "patchline": {
         "source": [
          "obj-2",
          0
         ],
         "destination": [
          "obj-3",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-3",
          0
         ],
         "destination": [
          "obj-4",
          0
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-4",
          6
         ],
         "destination": [
          "obj-5",
          6
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-4",
          5
         ],
         "destination": [
          "obj-6",
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
          "obj-5",
          5
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-4",
          4
         ],
         "destination": [
          "obj-5",
          4
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-4",
          3
         ],
         "destination": [
          "obj-5",
          3
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-4",
          2
         ],
         "destination": [
          "obj-5",
          2
         ]
        }
       },
       {
        "patchline": {
         "source": [
          "obj-4",
          1
         ],
         "destination": [
          "obj-5",
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
          "obj-5",
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
          "obj-7",
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
          "obj-8",
          0
         ]
        }
       }
      ]
     }
    }
   }
  ],
  "lines": [
   {
    "patchline": {
     "source": [
      "obj-4",
      0
     ],
     "destination": [
      "obj-5",
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
      "obj-6",
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
      "obj-11",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-11",
      0
     ],
     "destination": [
      "obj-12",
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
      "obj-16",
      0
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
      "obj-19",
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
      "obj-23",
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
      "obj-27",
      0
     ],
     "destination": [
      "obj-28",
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
      "obj-31",
      0
     ],
     "destination": [
      "obj-32",
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
      "obj-33",
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
      "obj-19",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-36",
      1
     ],
     "destination": [
      "obj-37",
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
      "obj-39",
      0
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
      "obj-41",
      1
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
      "obj-46",
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
      "obj-48",
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
   },
   {
    "patchline": {
     "source": [
      "obj-51",
      0
     ],
     "destination": [
      "obj-52",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-53",
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
      "obj-54",
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
      "obj-56",
      0
     ],
     "destination": [
      "obj-57",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-57",
      0
     ],
     "destination": [
      "obj-58",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-60",
      0
     ],
     "destination": [
      "obj-61",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-61",
      0
     ],
     "destination": [
      "obj-62",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-64",
      0
     ],
     "destination": [
      "obj-65",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-67",
      0
     ],
     "destination": [
      "obj-68",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-70",
      0
     ],
     "destination": [
      "obj-71",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-73",
      0
     ],
     "destination": [
      "obj-74",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-76",
      0
     ],
     "destination": [
      "obj-77",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-78",
      0
     ],
     "destination": [
      "obj-79",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-80",
      0
     ],
     "destination": [
      "obj-81",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-83",
      0
     ],
     "destination": [
      "obj-84",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-84",
      0
     ],
     "destination": [
      "obj-85",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-87",
      0
     ],
     "destination": [
      "obj-88",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-88",
      0
     ],
     "destination": [
      "obj-89",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-90",
      0
     ],
     "destination": [
      "obj-83",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-91",
      0
     ],
     "destination": [
      "obj-92",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-94",
      0
     ],
     "destination": [
      "obj-95",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      0
     ],
     "destination": [
      "obj-96",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-96",
      0
     ],
     "destination": [
      "obj-97",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      1
     ],
     "destination": [
      "obj-98",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      2
     ],
     "destination": [
      "obj-99",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      3
     ],
     "destination": [
      "obj-100",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      4
     ],
     "destination": [
      "obj-101",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      5
     ],
     "destination": [
      "obj-102",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      6
     ],
     "destination": [
      "obj-103",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      7
     ],
     "destination": [
      "obj-104",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-104",
      0
     ],
     "destination": [
      "obj-105",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-95",
      8
     ],
     "destination": [
      "obj-106",
      0
     ]
    }
   },
   {
    "patchline": {
     "source": [
      "obj-106",
      0
     ],
     "destination": [
      "obj-107",
      0
     ]
    }
   }
  ]
 }
}
