@echo off
rem A scheduled task runs this as SYSTEM whenever the guest boots.
cd /d C:\vsocks
C:\vsocks\python\python.exe -m inside.boot >>C:\vsocks\logs\boot.log 2>&1
